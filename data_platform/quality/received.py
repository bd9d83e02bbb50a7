"""The row as received, in the columns of a judged row."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.contract import Contract
from data_platform.contracts.names import folded
from data_platform.tables.columns import INGESTED_AT, RECEIVED


@dataclass(frozen=True)
class Received:
    """The row as received while rows are sorted: one column per member of the struct.

    Otherwise the members that rows are sorted by would be shuffled twice.
    """

    fields: tuple[T.StructField, ...]

    @staticmethod
    def of(frame: DataFrame, contract: Contract) -> "Received":
        if not contract.lineage:
            return Received(())
        struct = frame.schema[RECEIVED].dataType
        assert isinstance(struct, T.StructType)
        return Received(tuple(struct.fields))

    @property
    def names(self) -> list[str]:
        return [f"{RECEIVED}{number}" for number in range(len(self.fields))]

    def has(self, member: str) -> bool:
        return member in (field.name for field in self.fields)

    def kept(self, field: T.StructField, frame: DataFrame) -> Column:
        """A column to publish; a lineage column that the function dropped is taken from here."""
        if field.name != INGESTED_AT or field.name in frame.columns:
            return F.col(field.name)
        came = F.col(RECEIVED)[field.name] if self.has(field.name) else F.lit(None)
        return came.cast(field.dataType).alias(field.name)

    def name(self, member: str) -> str:
        """The column that holds a member, found regardless of case, as in Spark."""
        return self.names[[folded(field.name) for field in self.fields].index(folded(member))]

    def columns(self) -> list[Column]:
        pairs = zip(self.fields, self.names, strict=True)
        return [F.col(RECEIVED)[field.name].alias(name) for field, name in pairs]

    def text(self) -> Column:
        """One JSON object, every value as text; timestamps as microseconds since 1970."""
        members = []
        for field, name in zip(self.fields, self.names, strict=True):
            value = F.col(name)
            if isinstance(field.dataType, T.TimestampType):
                value = F.unix_micros(value)
            members.append(value.cast("string").alias(field.name))
        return F.to_json(F.struct(*members))
