"""The step of a merged table: merges changes of its input into the existing rows.

A merged table has the rows that its function makes of each partition of its input, one per key.
A build reads the partitions whose version has changed since the last one. It reads all of them if
that is not known, or if a row of the table is gone from them and no newer row replaces it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable
from data_platform.build.audit import audited
from data_platform.build.inputs import Input
from data_platform.build.isolation import by_input_partition
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.steps import layout_of
from data_platform.contracts.schema import schema_of
from data_platform.lake.catalog import LakeTable
from data_platform.lake.files import Files, files_by_partition, partitioning_of, versions
from data_platform.lake.reads import ReadPlan
from data_platform.lake.snapshots import has_snapshot, summaries
from data_platform.lake.writing.publish import ATTEMPT, CONTRACT
from data_platform.lake.writing.staging import Staged, new_attempt, stage, with_empty_partitions
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding
from data_platform.quality.judge import judged
from data_platform.quality.merge import ranked, settled, unreplaced
from data_platform.tables.identity import WHOLE_TABLE
from data_platform.tables.outcomes import CHANGES, DATA, OUTCOME, QUARANTINE, SUPERSEDED
from data_platform.telemetry.wording import counted

# Property of a snapshot: the input and its snapshot that were merged, `layer/domain/name@id`.
MERGED = "data_platform.merged"


@dataclass(frozen=True)
class Merge:
    """What to merge into the table's files `present`: the input's files `after`, of the partitions
    that had the files `before` when the table was last built. Without `present`, a full build."""

    present: Files
    before: Files
    after: Files


def build_merged(
    table: JudgedTable, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """Merge what changed of the input, in one Spark job; in two or three if partitions that the
    table was built from have another version now."""
    (source,) = plan.inputs.values()
    attempt = new_attempt(run_id)
    layout = layout_of(table, platform, attempt, run_id)
    own, upstream = platform.lake.load(table.id), platform.lake.load(source.upstream.table)

    def read(of: LakeTable, files: Files, keys: Iterable[str]) -> DataFrame:
        listed = chain.from_iterable(files[key] for key in keys)
        return ReadPlan.of(of, listed).dataframe(spark, platform.storage)

    def made_of(files: Files) -> DataFrame:
        reading = partial(read, upstream, files)
        return by_input_partition(table, spark, partitioning_of(upstream), sorted(files), reading)

    def changes_of(merge: Merge) -> DataFrame:
        return judged(made_of(merge.after), table.contract, clustered=True)

    merge = planned_merge(table, own, upstream, source, plan.base.get(WHOLE_TABLE))
    changes = changes_of(merge)
    if merge.before:
        # Select by name: an added column is last in the table, wherever it is declared.
        columns = schema_of(table.contract).names
        # A row that a rule rejects replaces no other.
        after = changes.where(F.col(OUTCOME) == DATA).select(columns)
        still = read(own, merge.present, merge.present).select(columns)
        gone = made_of(merge.before).select(columns).subtract(after)
        if not gone.isEmpty():
            lost = unreplaced(gone.intersect(still), after, table.contract)
            if not lost.isEmpty():
                merge = anew(source)
                changes = changes_of(merge)
    present = read(own, merge.present, merge.present) if merge.present else None
    rows = settled(ranked(changes, present, table.contract))
    staged = stage(rows, layout, clustered=True)
    found = _conservation(merge, staged, source)
    staged = with_empty_partitions(staged, own, layout, plan.keys)
    properties = {MERGED: f"{source.upstream.table}@{source.snapshot}"}
    return audited(
        table, plan, platform, staged, attempt, run_id, also=[found], properties=properties
    )


def anew(source: Input) -> Merge:
    """All of the input, as if the table had never been built."""
    return Merge({}, {}, source.files)


def planned_merge(
    table: JudgedTable, own: LakeTable, upstream: LakeTable, source: Input, version: str | None
) -> Merge:
    """The merge of the partitions whose version has changed since `version` of the table was built.

    The table is built anew if the contract has changed, if its snapshot or the input's has expired,
    or if no partition has changed, since the build was requested all the same.
    """
    known = [summary for summary in summaries(own) if summary.get(ATTEMPT) == version]
    for summary in known:
        merged_table, _, snapshot = (summary.get(MERGED) or "").partition("@")
        same = (merged_table, summary.get(CONTRACT)) == (str(source.upstream.table), table.version)
        if not same or not has_snapshot(upstream, int(snapshot)):
            continue
        then = files_by_partition(upstream, snapshot_id=int(snapshot))
        was, is_now = versions(then), source.upstream.versions
        changed = {key for key in {*was, *is_now} if was.get(key) != is_now.get(key)}
        if changed:
            return Merge(
                files_by_partition(own, [WHOLE_TABLE]),
                {key: then[key] for key in changed if key in then},
                {key: source.files[key] for key in changed if key in source.files},
            )
    return anew(source)


def _conservation(merge: Merge, staged: Staged, source: Input) -> Finding:
    changes = staged.counted(CHANGES).get(WHOLE_TABLE, 0)
    present = sum(f.record_count for files in merge.present.values() for f in files)
    return checks.conservation_finding(
        WHOLE_TABLE,
        received=present + changes,
        published=staged.rows(DATA)[WHOLE_TABLE],
        quarantined=staged.rows(QUARANTINE)[WHOLE_TABLE],
        duplicates=staged.counted(SUPERSEDED).get(WHOLE_TABLE, 0),
        source=f"{counted(present, 'row')} of the table and {changes} of {source.upstream.table}",
    )
