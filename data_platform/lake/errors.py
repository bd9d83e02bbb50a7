"""What can go wrong in the lake: one exception class per meaning, each naming the table."""


class LakeError(Exception):
    """Any failure to read or write a table."""


class UnknownTable(LakeError):
    """No table of that name in the catalog."""


class SchemaConflict(LakeError):
    """The data, or the contract, does not fit the table as it is."""


class PartitionConflict(LakeError):
    """Another writer replaced the same partition first; nothing of this write was published."""


class DatabaseUnavailable(LakeError):
    """The catalog's or the register's database is locked or out of reach; later may be better."""
