"""What a partition stands on, and whether that still holds.

A partition reads the partitions of its inputs that `mapping` names. The digest of their versions
is kept with each build; where the present one differs, or the contract's, the partition is stale.
"""

import hashlib
from collections.abc import Iterable

from data_platform.lake.builds import Build
from data_platform.tables.identity import TableId


def digest(read: Iterable[tuple[TableId, str, str]]) -> str:
    """Of the (table, partition, version) that a build reads, in any order."""
    lines = sorted(f"{table} {key} {version}" for table, key, version in read)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def is_stale(*, published: Build | None, latest: Build | None, inputs: str, contract: str) -> bool:
    """Whether a partition should be built again: its newest attempt is not of what there is now.

    `published` is the build behind its version, `latest` the newest attempt: what was held back
    with the same inputs and contract would be held back again. After an attempt that was held back
    with other ones it is built even where the published version is of the present ones: nothing
    else says that it passes its checks again. An attempt that was to be published and is not was
    killed on its way, or lost a race: it may have displaced rejected rows.
    """
    if latest is None or (latest.inputs, latest.contract) != (inputs, contract):
        return True
    return latest.state == "published" and (
        published is None or published.attempt != latest.attempt
    )
