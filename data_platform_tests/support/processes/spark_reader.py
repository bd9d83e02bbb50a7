"""A Spark of its own with Iceberg's runtime, and nothing of ours: `python spark_reader.py`.

Its configuration and queries are JSON on standard input, the rows of each query JSON on standard
output.
"""

import json
import sys

from pyspark.sql import SparkSession


def main() -> None:
    asked = json.load(sys.stdin)
    spark = SparkSession.Builder().config(map=asked["configuration"]).getOrCreate()
    rows = [[row.asDict() for row in spark.sql(query).collect()] for query in asked["queries"]]
    json.dump(rows, sys.stdout, default=str)


if __name__ == "__main__":
    main()
