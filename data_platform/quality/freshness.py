"""Decide whether a partition is stale.

A partition reads the partitions of its inputs that `mapping` names. Each build records a digest of
their versions and the contract's version; if either differs now, the partition is stale.
"""

import hashlib
from collections.abc import Iterable

from data_platform.lake.builds import Build
from data_platform.tables.identity import TableId


def digest(read: Iterable[tuple[TableId, str, str]]) -> str:
    """The digest of the (table, partition, version) tuples that a build reads, in any order."""
    lines = sorted(f"{table} {key} {version}" for table, key, version in read)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def is_stale(*, published: Build | None, latest: Build | None, inputs: str, contract: str) -> bool:
    """Whether a partition should be rebuilt: its newest attempt had other inputs or contract.

    `published` is the build of its published version, `latest` the newest attempt. An attempt held
    back with the same inputs and contract would be held back again. If the last one was held back
    with others, the partition is rebuilt even if the published version has the present ones, to
    show that its checks pass again. An attempt that should have been published but was not was
    killed or lost a race, and may have displaced rejected rows.
    """
    if latest is None or (latest.inputs, latest.contract) != (inputs, contract):
        return True
    return latest.state == "published" and (
        published is None or published.attempt != latest.attempt
    )
