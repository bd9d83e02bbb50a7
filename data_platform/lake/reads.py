"""Reading: the wanted partitions of a table as one lazy DataFrame, whatever their number.

The files come from the metadata, so Spark lists nothing and sees one version of every partition
even while others publish.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import types as I
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.engine.connect import on_sail
from data_platform.lake.errors import UnreadableFile
from data_platform.storage.files import LISTED, Storage, by_folder, filesystem
from data_platform.storage.s3_errors import explanation, is_passing
from data_platform.telemetry.wording import counted

_SIMPLE: dict[type[I.IcebergType], T.DataType] = {
    I.StringType: T.StringType(),
    I.BooleanType: T.BooleanType(),
    I.IntegerType: T.IntegerType(),
    I.LongType: T.LongType(),
    I.FloatType: T.FloatType(),
    I.DoubleType: T.DoubleType(),
    I.DateType: T.DateType(),
    I.TimestamptzType: T.TimestampType(),
    I.TimestampType: T.TimestampNTZType(),
    I.BinaryType: T.BinaryType(),
}

_HIDDEN = ("_", ".")  # prefixes of names that Spark ignores
_BEGINNING = len("2011-03")  # of a file's name, which begins with its partition's key


def spark_type(kind: I.IcebergType) -> T.DataType:
    """Spark's type for an Iceberg type."""
    match kind:
        case I.DecimalType():
            return T.DecimalType(kind.precision, kind.scale)
        case I.ListType():
            return T.ArrayType(spark_type(kind.element_type))
        case I.StructType():
            return T.StructType([_field(field) for field in kind.fields])
    return _SIMPLE[type(kind)]


def _field(field: I.NestedField) -> T.StructField:
    comment = {"comment": field.doc} if field.doc else {}
    return T.StructField(field.name, spark_type(field.field_type), not field.required, comment)


def columns_of(table: Table) -> T.StructType:
    """Spark's schema of a table, with column docs as comments."""
    return spark_schema(table.schema())


def spark_schema(schema: Schema) -> T.StructType:
    """Spark's schema for an Iceberg schema, with column docs as comments."""
    return T.StructType([_field(field) for field in schema.fields])


@dataclass(frozen=True)
class ReadPlan:
    """The files of the wanted partitions and the schema they are read with."""

    schema: T.StructType
    files: tuple[DataFile, ...]

    @staticmethod
    def of(table: Table, files: Iterable[DataFile]) -> "ReadPlan":
        """The plan that reads these files of the table, with the schema it has now."""
        return ReadPlan(columns_of(table), tuple(files))

    @property
    def bytes(self) -> int:
        """The size of all files on disk."""
        return sum(file.file_size_in_bytes for file in self.files)

    def dataframe(self, spark: SparkSession, storage: Storage) -> DataFrame:
        """One lazy DataFrame; columns added after a file was written read as null.

        Raises UnreadableFile if a file is missing or its size differs from the metadata's: Spark
        would silently read nothing from a truncated one.
        """
        files = [file for file in self.files if file.record_count]
        paths = [file.file_path for file in files]
        if not paths:
            return spark.createDataFrame([], self.schema)
        for file, size in zip(files, storage.sizes(paths), strict=True):
            if size != file.file_size_in_bytes:
                wanted = f"it had {file.file_size_in_bytes} when it was published"
                raise UnreadableFile(
                    file.file_path,
                    "is not there" if size is None else f"has {counted(size, 'byte')}; {wanted}",
                )
            if _name(file.file_path).startswith(_HIDDEN):
                raise UnreadableFile(
                    file.file_path,
                    f"has a name that Spark passes over (it begins with {' or '.join(_HIDDEN)}); "
                    "new files get others",
                )
        frame = _read(spark, self.schema, paths)
        read = set(map(_name, frame.inputFiles()))
        if gone := [path for path in paths if _name(path) not in read]:
            raise UnreadableFile(gone[0], "vanished a moment ago")
        return frame


def first_damaged(files: Iterable[DataFile], storage: Storage) -> UnreadableFile | None:
    """The error about the first of the files that is damaged; None if all can be read to their
    ends. Errors of an object store are raised: they say nothing about a file."""
    for file in files:
        source, path = filesystem(file.file_path, storage.store)
        try:
            with source.open_input_file(path) as opened:
                for _ in pq.ParquetFile(opened).iter_batches():
                    pass
        except (pa.ArrowException, OSError) as error:
            if is_passing(str(error)) or explanation(str(error)):
                raise
            return UnreadableFile(file.file_path, f"cannot be read: {error}")
    return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _read(spark: SparkSession, schema: T.StructType, paths: list[str]) -> DataFrame:
    """The files' rows. Spark makes three requests for each path, but one listing for a folder, so
    a folder with many wanted files is read as one, with a pattern that selects them. Sail ignores
    such patterns."""
    folders = by_folder(paths)
    many = not on_sail(spark)
    listed = {folder for folder, files in folders.items() if many and len(files) >= LISTED}
    alone = [path for path in paths if path.rpartition("/")[0] not in listed]
    reader = spark.read.schema(schema)
    if listed:
        reader = reader.option("pathGlobFilter", _one_of(map(_name, paths)))
    return reader.parquet(*sorted(listed), *alone)


def _one_of(names: Iterable[str]) -> str:
    """A glob for exactly these names, in groups, since a name is compared with each in turn."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name[:_BEGINNING]].append(name[_BEGINNING:])
    alternatives = (f"{beginning}{{{','.join(rest)}}}" for beginning, rest in groups.items())
    return f"{{{','.join(alternatives)}}}"
