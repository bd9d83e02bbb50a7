"""Make the buckets that are named as arguments, unless they are there."""

import os
import sys

import boto3

store = boto3.client("s3", endpoint_url=os.environ["DATA_PLATFORM_AWS_ENDPOINT"])
there = {each["Name"] for each in store.list_buckets()["Buckets"]}
for bucket in sys.argv[1:]:
    if bucket not in there:
        store.create_bucket(Bucket=bucket)
        print(f"made the bucket {bucket}")
