"""The base class of errors about stored data."""


class LakeError(Exception):
    """Any failure to read or write tables or the files they are made of."""
