"""Errors of the lake: one exception class per meaning, each naming the table."""

from data_platform.storage.errors import LakeError


class NotThere(LakeError):
    """The table has no such partition or snapshot."""


class UnknownTable(LakeError):
    """No table of that name in the catalog."""


class ForeignTable(LakeError):
    """The catalog's table of that name is in another warehouse; it is not touched."""


class SchemaConflict(LakeError):
    """The data, or the contract, does not fit the table as it is."""


class PartitionConflict(LakeError):
    """Another writer replaced the same partition first; nothing of this write was published."""


class UnreadableFile(LakeError):
    """A data file of a published table is gone or damaged."""

    def __init__(self, path: str, why: str) -> None:
        table = "/".join(path.split("/")[-6:-3])  # .../{table}/data/{attempt}/{file}
        super().__init__(
            f"{path}, a data file of {table}, {why}. Nothing was published from it. Ways out: "
            f"build its partition of {table} again (materialize it in the UI), or "
            f"`data-platform rollback {table} --partition K --to SNAPSHOT` to a version whose "
            "files are whole"
        )


class QueryError(LakeError):
    """A text is not a valid query of the tables; the message is for its author."""
