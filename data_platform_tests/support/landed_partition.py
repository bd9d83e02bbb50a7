"""The objects of one partition where they land, and the parser's work on them without Spark."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from pyspark.sql import types as T

from data_platform.build.platform import Platform
from data_platform.landing.bronze_schema import file_schema
from data_platform.landing.formats.csv import Csv
from data_platform.landing.parse import (
    ObjectWork,
    ParseReport,
    PartitionWork,
)
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import PartitionColumn, Partitioning
from data_platform_tests.support.memory_bucket import SHOP
from data_platform_tests.support.places import Place

AB = Csv(columns=("a", "b"))
SEEN = datetime(2011, 12, 10, 12, tzinfo=UTC)


class Partition:
    """A landing place, and a warehouse beside it whose path has a blank in it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.landing = f"{place.root}/landing"
        self.target = f"{place.root}/ware house/attempt"

    def land(self, **contents: bytes) -> None:
        for name, content in contents.items():
            self.place.write(f"{self.landing}/{name}.csv", content)

    def unland(self, name: str) -> None:
        self.place.delete(f"{self.landing}/{name}.csv")

    def work(self, **changes: Any) -> PartitionWork:
        bucket = bucket_of(self.place)
        objects = tuple(
            ObjectWork(number, o.key, bucket.uri(o.key), o.size, o.modified, SEEN)
            for number, o in enumerate(bucket.list(), start=1)
        )
        day = {"day": date(2011, 3, 4)}
        work = PartitionWork("2011-03-04", day, self.target, AB, pa.schema([]), objects)
        work = replace(work, store=self.place.store, **changes)
        return replace(work, schema=schema_of(work))

    def files(self) -> list[str]:
        return sorted(self.place.files("/ware house"))

    def open(self, uri: str) -> parquet.ParquetFile:
        return parquet.ParquetFile(io.BytesIO(self.place.read(uri)))

    def table(self, report: ParseReport) -> pa.Table:
        for file in report.files:
            assert self.open(file.uri).metadata.num_rows == file.rows
            assert len(self.place.read(file.uri)) == file.bytes
        return pa.concat_tables([self.open(file.uri).read() for file in report.files])


def schema_of(work: PartitionWork) -> pa.Schema:
    types = {
        date: T.DateType(), str: T.StringType(), int: T.LongType(), datetime: T.TimestampNTZType()
    }  # fmt: skip
    columns = (PartitionColumn(name, types[type(value)]) for name, value in work.values.items())
    return file_schema(replace(SHOP, format=work.format), Partitioning(tuple(columns)))


def bucket_of(place: Place) -> DirectoryBucket | S3Bucket:
    return Platform(settings_at("/nowhere", **place.settings)).bucket
