"""Publishing an attempt: quarantine and duplicates first, the table itself last.

Only the last commit counts. Every quarantined and duplicate row names its attempt, so a crash
between the commits leaves rows that belong to no published version, and the rerun replaces them.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from data_platform.databases.fencing import fenced, lease_of
from data_platform.lake.builds import Build, Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.expiry import forget_old_snapshots
from data_platform.lake.files import (
    Files,
    attempt_of,
    files_by_partition,
    key_of,
    partitioning_of,
    sound_files,
)
from data_platform.lake.origin import origin
from data_platform.lake.rejected import REJECTED_LAYERS, files_of_attempts, rejected_by
from data_platform.lake.writing.commit import replace_partitions, require_base
from data_platform.lake.writing.staging import Staged
from data_platform.tables.identity import TableId, TableSlice
from data_platform.tables.outcomes import DATA, DUPLICATES, QUARANTINE, Outcome

# Properties of a snapshot: which write it published, under which version of its contract.
ATTEMPT, CONTRACT = "data_platform.attempt", "data_platform.contract"
# The check that a partition's files are on disk what their writers reported.
WRITTEN = "written"


@dataclass(frozen=True)
class StagedWrite:
    """An audited attempt: its files, which partitions may be published, and what for.

    `held_back` gives the reason for each partition that failed a blocking check, and `failed` the
    names of those checks. `inputs` and `contract` say what the attempt stands on, `dimensions` in
    which state its dimensions were, by partition; `properties` go into the snapshot beside
    those. `takers` are the partitions that take over rows that one gives up: it is published only
    with them.
    """

    slice: TableSlice
    attempt: str
    run_id: str
    staged: Staged
    held_back: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    contract: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    takers: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def table(self) -> TableId:
        """The table that is written."""
        return self.slice.table

    @property
    def good(self) -> tuple[str, ...]:
        """The partitions that may be published."""
        return tuple(key for key in self.slice.keys if key not in self.held_back)


@dataclass(frozen=True)
class Published:
    """What a partition holds after the commit, by its files on disk."""

    snapshot_id: int
    rows: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Publication:
    """The result of a write: the published partitions, and the write with all that was held back
    in the end."""

    write: StagedWrite
    partitions: Mapping[str, Published]


def publish(lake: Lake, builds: Builds, write: StagedWrite) -> Publication:
    """Publish the partitions that passed, and the quarantine of those that did not.

    A partition with a staged file that is not what its writer reported is held back alone and stays
    due. Raises PartitionConflict if another writer was first; then nothing was committed. Raises
    LeaseLost if the run counts as dead: then nothing more of it is.
    """
    with fenced(lease_of(write.run_id)):
        return _publish(lake, builds, write)


def _publish(lake: Lake, builds: Builds, write: StagedWrite) -> Publication:
    table = lake.load(write.table)
    # Before anything is committed: a write that has already lost must not touch rejected rows.
    live = files_by_partition(table, write.slice.keys)
    require_base(table, write.slice.base, live, write.slice.keys)
    rejecting = {
        outcome: rejected_by(lake, write.table, layer) for outcome, layer in REJECTED_LAYERS.items()
    }
    write, sound = _sound({DATA: table, **rejecting}, write)
    good = set(write.good)
    files = [file for key, file in sound[DATA] if key in good]
    beside = [
        _beside(builds, write, outcome, into, [file for _, file in sound[outcome]])
        for outcome, into in rejecting.items()
        if into is not None
    ]
    attempted = _builds(write, builds.now())
    # First, so that an attempt that is killed between its commits is known and repaired ...
    builds.record(build for build in attempted if build.state == "published")
    for commit in filter(None, beside):
        commit()
    # ... and last, so that what is held back is only once its quarantine can be read.
    builds.record(build for build in attempted if build.state == "held_back")
    published: dict[str, Published] = {}
    if good:
        properties = _properties(write)
        snapshot = replace_partitions(
            table,
            keys=good,
            add=files,
            base=write.slice.base,
            properties=properties,
            live=live,
        )
        builds.commit(write.table, dict.fromkeys(write.good, write.attempt))
        published = published_as(table, files, snapshot, write.good)
    forget_old_snapshots(lake, table)
    return Publication(write, published)


def _sound(
    tables: Mapping[Outcome, Table | None], write: StagedWrite
) -> tuple[StagedWrite, dict[Outcome, list[tuple[str, DataFile]]]]:
    """The files that can be committed, by outcome, with their partitions; and the write without
    the other partitions, as if these had not been built, so that they stay due."""
    found: dict[Outcome, list[tuple[str, DataFile]]] = {}
    refused: dict[str, str] = {}
    for outcome, table in tables.items():
        staged = write.staged.files.get(outcome, ()) if table else ()
        if outcome == DATA:
            staged = [file for file in staged if file.key not in write.held_back]
        keys = {file.path: file.key for file in staged}
        files, why = sound_files(table, staged) if table else ([], {})
        found[outcome] = [(keys[file.file_path], file) for file in files]
        refused |= why
    refused |= _without_takers(write, {*write.held_back, *refused})
    reasons = {key: [write.held_back.get(key), f"{WRITTEN}: {w}"] for key, w in refused.items()}
    return replace(
        write,
        held_back={
            **write.held_back,
            **{k: "; ".join(filter(None, w)) for k, w in reasons.items()},
        },
        failed={**write.failed, **{key: (*write.failed.get(key, ()), WRITTEN) for key in refused}},
        inputs={key: said for key, said in write.inputs.items() if key not in refused},
    ), found


def _without_takers(write: StagedWrite, held: set[str]) -> dict[str, str]:
    """The partitions that would give up rows before another one has them, and why."""
    found: dict[str, str] = {}
    while more := {
        key: f"its rows go to {', '.join(sorted(missing))}, which cannot be published now"
        for key, takers in write.takers.items()
        if key not in held and (missing := held & set(takers))
    }:
        found |= more
        held |= more.keys()
    return found


def _beside(
    builds: Builds, write: StagedWrite, outcome: Outcome, table: Table, files: list[DataFile]
) -> Callable[[], object] | None:
    """The commit to the quarantine or the duplicates; None if it would change nothing."""
    live = files_by_partition(table, write.slice.keys)
    add = files + _displaced(table, builds, write, outcome, live)
    if not add and not live:
        return None

    def keep(key: str, file: DataFile) -> bool:
        # a held back attempt stands beside what belongs to the published version
        return key in write.held_back and attempt_of(file.file_path) == write.slice.base.get(key)

    return partial(
        replace_partitions,
        table,
        keys=write.slice.keys,
        add=add,
        base=None,
        properties=_properties(write),
        keep=keep,
        live=live,
    )


def _displaced(
    table: Table, builds: Builds, write: StagedWrite, outcome: Outcome, live: Files
) -> list[DataFile]:
    """Files with rejected rows of published versions that are missing, for held back partitions.

    An attempt that was killed before its table's commit replaced them, so they are put back.
    """
    missing = {
        key: version
        for key, version in write.slice.base.items()
        if key in write.held_back
        and all(attempt_of(file.file_path) != version for file in live.get(key, ()))
    }
    known = builds.of(write.table, missing)
    rejected = {key for key, build in known.items() if build.rejected[REJECTED_LAYERS[outcome]]}
    found = files_of_attempts(table, {key: missing[key] for key in rejected})
    return list(chain.from_iterable(found.values()))


def _properties(write: StagedWrite) -> dict[str, str]:
    return {
        **write.properties,
        **origin(write.run_id),
        ATTEMPT: write.attempt,
        CONTRACT: write.contract,
        "data_platform.partitions": str(len(write.good)),
        "data_platform.inputs": digest_of(write.inputs),
    }


def digest_of(inputs: Mapping[str, str]) -> str:
    """One digest for the inputs of all partitions of a write; the list itself would be large."""
    text = "\n".join(f"{key}={inputs[key]}" for key in sorted(inputs))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _builds(write: StagedWrite, now: dt.datetime) -> list[Build]:
    rows, bad, repeats = (write.staged.rows(o) for o in (DATA, QUARANTINE, DUPLICATES))
    held: dict[str, list[tuple[str, int, int]]] = {key: [] for key in write.held_back}
    for file in write.staged.files.get(DATA, ()):
        if file.key in held:
            held[file.key].append((file.path, file.rows, file.bytes))
    return [
        Build(
            table_id=str(write.table),
            partition=key,
            attempt=write.attempt,
            run_id=write.run_id,
            state="held_back" if key in write.held_back else "published",
            contract=write.contract,
            inputs=write.inputs.get(key, ""),
            dimensions=write.dimensions.get(key, ""),
            rows=rows[key],
            quarantined=bad[key],
            duplicates=repeats[key],
            created=now,
            detail=write.held_back.get(key, ""),
            failed=tuple(write.failed.get(key, ())),
            rules=dict(write.staged.rules.get(key, {})),
            staged=held.get(key, ()),
        )
        for key in write.slice.keys
    ]


def published_as(
    table: Table, files: Iterable[DataFile], snapshot: int, keys: Iterable[str]
) -> dict[str, Published]:
    """What each of these partitions holds, by the files that a snapshot added."""
    partitioning = partitioning_of(table)
    found: dict[str, list[DataFile]] = {key: [] for key in keys}
    for file in files:
        found[key_of(file, partitioning)].append(file)
    return {
        key: Published(
            snapshot,
            sum(f.record_count for f in group),
            len(group),
            sum(f.file_size_in_bytes for f in group),
        )
        for key, group in found.items()
    }
