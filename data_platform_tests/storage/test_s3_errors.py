"""Texts as the libraries have them (PyArrow 26, boto3 1.44, Hadoop 3.4.2)."""

import pytest

from data_platform.storage.s3_errors import explanation, is_passing

DENIED = [
    (
        "When reading information for key 'a b/y.parquet' in bucket 'wh': AWS Error ACCESS_DENIED "
        "during HeadObject operation: No response body.",
        "s3://wh/a b/y.parquet: access denied",
        "s3:GetObject",
    ),
    (
        "When listing objects under key 'x/' in bucket 'wh': AWS Error ACCESS_DENIED during "
        "ListObjectsV2 operation: Access Denied (Request ID: 1)",
        "s3://wh/x/: access denied",
        "s3:ListBucket",
    ),
    (
        "s3://wh/m.json: AWS Error ACCESS_DENIED during GetObject operation: Access Denied",
        "s3://wh/m.json: access denied",
        "s3:GetObject",
    ),
    (
        "s3://wh/k.csv: An error occurred (403) when calling the HeadObject operation: Forbidden",
        "s3://wh/k.csv: access denied",
        "s3:GetObject",
    ),
    (
        "s3://wh: An error occurred (AccessDenied) when calling the ListObjectsV2 operation: no",
        "s3://wh/: access denied",
        "s3:ListBucket",
    ),
    (
        "Caused by: java.nio.file.AccessDeniedException: s3a://wh/t/p.parquet: open "
        "s3a://wh/t/p.parquet at 1213 on s3a://wh/t/p.parquet: S3Exception: Access Denied",
        "s3://wh/t/p.parquet: access denied",
        "s3:GetObject",
    ),
    (
        "java.nio.file.AccessDeniedException: t2/p.parquet: initiate MultiPartUpload on t2/p",
        "the object t2/p.parquet: access denied",
        "s3:PutObject",
    ),
]


@pytest.mark.parametrize(("text", "what", "permission"), DENIED, ids=range(len(DENIED)))
def test_a_refusal_names_object_and_permission(text: str, what: str, permission: str) -> None:
    why = explanation(text)

    assert why and why.startswith(what) and permission in why
    assert not is_passing(text)


def test_a_bucket_that_is_not_there_says_how_to_make_it() -> None:
    for text in (
        "s3://no: An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: none",
        "When listing objects under key 'x' in bucket 'no': AWS Error NO_SUCH_BUCKET during List",
    ):
        assert explanation(text) == (
            "s3://no: there is no such bucket; make it with `data-platform buckets apply`"
        )


@pytest.mark.parametrize(
    "text",
    [
        "AWS Error SLOW_DOWN during PutObject operation: Please reduce your request rate.",
        "AWS Error UNKNOWN (HTTP status 503) during HeadObject operation: No response body.",
        "AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 18",
        "s3://b/k: An error occurred (SlowDown) when calling the DeleteObject operation (reached)",
        's3://b/k: Could not connect to the endpoint URL: "http://127.0.0.1:1/b"',
        "org.apache.hadoop.fs.s3a.AWSServiceThrottledException: getFileStatus on s3a://b/k",
        "org.apache.hadoop.fs.s3a.AWSStatus500Exception: open s3a://b/k: Service: S3",
        'Connect timeout on endpoint URL: "http://127.0.0.1:1/b"',
        "java.net.ConnectException: open s3a://b/k: SdkClientException: Connection refused",
        "AWSClientIOException: read on s3a://b/k: SdkClientException: Connection reset",
    ],
)
def test_what_time_may_heal_is_known(text: str) -> None:
    assert is_passing(text)
    assert explanation(text) is None


@pytest.mark.parametrize(
    "text", ["ValueError: 3", "AWS Error NO_SUCH_KEY during GetObject", "[DIVIDE_BY_ZERO] by zero"]
)
def test_other_errors_are_left_to_others(text: str) -> None:
    assert explanation(text) is None
    assert not is_passing(text)
