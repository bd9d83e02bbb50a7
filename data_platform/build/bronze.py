"""The step of a bronze table: parses landed objects inside Spark tasks, rows as received."""

import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping

import pyarrow as pa
from pyspark.sql import SparkSession

from data_platform.assets import BronzeTable
from data_platform.build.audit import failed, held_back
from data_platform.build.bronze_moves import elsewhere_in_bronze, moved, ready, takers
from data_platform.build.held import unreadable
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import Loaded, StepResult
from data_platform.build.tables import ensure_tables
from data_platform.engine.parallelism import parallelism
from data_platform.engine.shuffles import dealt
from data_platform.lake.builds import Build
from data_platform.lake.files import Files, StagedFile, files_by_partition
from data_platform.lake.origin import origin
from data_platform.lake.writing.publish import StagedWrite
from data_platform.lake.writing.staging import (
    Staged,
    directory,
    new_attempt,
    plain_layout,
    with_empty_partitions,
)
from data_platform.landing.bronze_schema import file_schema
from data_platform.landing.ledger.tables import Entry, digest_of
from data_platform.landing.parse import (
    ObjectWork,
    ParseReport,
    PartitionWork,
    StoredObject,
    parse_partition,
)
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding
from data_platform.tables.identity import TableSlice
from data_platform.tables.outcomes import DATA
from data_platform.telemetry.tracing import caused_by

_MOST_NAMED = 50  # landed objects on a partition's page
_TASKS_PER_CORE = 4  # so that one large partition does not leave a core idle for long


def build_bronze(
    table: BronzeTable, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """Parse the pending objects, and the others of their partitions, into a new version of each.

    An object that cannot be read fails alone and for good; after a transient error it stays
    pending. A partition for which no object could be read, or that would lose published rows, is
    held back alone and without a digest of its inputs: the fix (a rename undone, the same bytes
    landed again) would not change the digest, so the partition has to stay due.
    """
    source = table.source
    left = platform.ledger.left(source.name, plan.keys)  # read first: later moves wait for a rerun
    effective = platform.ledger.effective(source.name, plan.keys)
    loaded = ensure_tables(table, platform.lake)[DATA]
    published = platform.builds.of(table.id, plan.base)
    attempt = new_attempt(run_id)
    layout = plain_layout(loaded, attempt, platform.storage, run_id)
    present = files_by_partition(loaded, plan.base) if plan.base else {}
    lost = _unaccounted(table, platform, present)
    safe = {key: entries for key, entries in effective.items() if key not in lost}
    files = {**elsewhere_in_bronze(loaded, safe), **present}
    work = _work(table, platform, safe, files, directory(loaded, attempt), origin(run_id))
    platform.storage.make_folder(directory(loaded, attempt))
    caused_by(run_id, [e.key for of in effective.values() for e in of if e.state == "pending"])
    reports = [ParseReport(key, refused=why) for key, why in lost.items()] + _parse(spark, work)
    _record_errors(table, platform, reports, run_id)
    # Only of what was read: more may have landed since.
    inputs = {key: digest_of(effective[key], unread=_unread(reports)) for key in effective}
    # Rows that moved out leave the partition even if none of its objects could be read.
    reread = [
        r
        for r in reports
        if _has_objects(r) or (not r.refused and (r.partition in left or not safe[r.partition]))
    ]
    unknown = {r.partition for r in reports if _nothing_read(r) and r.partition not in left}
    rebuilt = [r for r in reread if not _stands(r, table, published, inputs)]
    awaited = platform.ledger.awaited(source.name, left)
    built = ready(rebuilt, awaited)
    refused = tuple(r.partition for r in reports if r.refused or r.partition in unknown)
    files = [
        StagedFile(report.partition, file.uri, file.rows, file.bytes)
        for report in reports
        if report.partition in built
        for file in report.files
    ]
    staged = with_empty_partitions(Staged({DATA: tuple(files)}), loaded, layout, built)
    found = _findings(plan, staged, reports, built, unreadable(table, platform), unknown)
    held = held_back(found)
    loaded = {
        r.partition: Loaded(_rows_by_object(r), frozenset(moved(effective, left, [r.partition])))
        for r in reports
        if r.partition in built
    }
    passed = (each.rows for key, each in loaded.items() if key not in held)
    platform.ledger.prepare({n: count for rows in passed for n, count in rows.items()}, attempt)
    keys = built + refused
    write = StagedWrite(
        slice=TableSlice(table.id, keys, {k: v for k, v in plan.base.items() if k in keys}),
        attempt=attempt,
        run_id=run_id,
        staged=staged,
        held_back=held,
        failed=failed(found),
        inputs={key: inputs[key] for key in built},
        contract=table.version,
        metadata={r.partition: _objects_of(r, effective.get(r.partition, ())) for r in reports},
        takers=takers([r for r in rebuilt if r.partition in built], awaited),
    )
    return StepResult(write, found, loaded=loaded)


def _objects_of(report: ParseReport, entries: Iterable[Entry]) -> dict[str, object]:
    """The landed objects that a partition was built from, for its page."""
    versions = {entry.id: entry.version for entry in entries}
    named = [
        {
            "key": o.key,
            "version": versions.get(o.id, ""),
            "rows": o.rows or 0,
            "trouble": o.error.message if o.error else "",
        }
        for o in sorted(report.objects, key=lambda o: (o.error is None, o.key))
    ]
    return {"objects": len(named), "landed_objects": named[:_MOST_NAMED]}


def _unaccounted(table: BronzeTable, platform: Platform, present: Files) -> dict[str, str]:
    """Why partitions cannot be rebuilt that hold rows of objects the ledger has not loaded.

    A rebuild reads everything that the ledger has loaded for the source, so it keeps every row if
    rows on disk <= rows of loaded versions, counting the version of each key with the most rows.

    Usually both are equal: what a killed run committed counts, since it is settled first, and
    pending, failed or superseded versions do not. After a rollback there are fewer rows on disk, or
    those of a key's older version: hence <=, and the version with the most rows. Missing rows are
    then parsed from the landing bucket again or carried, where `parse` counts them by object.
    """
    source = table.source
    known = platform.ledger.accounted(source.name, present)
    published = {key: sum(f.record_count for f in files) for key, files in present.items()}
    return {
        key: f"{table.id} {key}: {rows - known.get(key, 0)} of its {rows} published rows are of "
        f"objects that the ledger has not loaded for the source {source.name!r}, and would be "
        "lost; was the source renamed? Give it its former name, or roll the partition back to "
        "a version without them, and materialize it"
        for key, rows in published.items()
        if rows > known.get(key, 0)
    }


def _work(
    table: BronzeTable,
    platform: Platform,
    effective: dict[str, list[Entry]],
    present: Files,
    target: str,
    footer: Mapping[str, str],
) -> list[PartitionWork]:
    source = table.source
    partitioning = table.partitioning
    schema = file_schema(source, partitioning)
    return [
        PartitionWork(
            partition=key,
            values=dict(zip(partitioning.names, partitioning.values(key), strict=True)),
            target=target,
            footer=footer,
            format=source.format,
            schema=schema,
            objects=tuple(_object(entry, platform) for entry in entries if entry.available),
            carry=tuple(_stored(entry) for entry in entries if not entry.available),
            present=tuple(
                file.file_path
                for place in {key, *(e.previous.stands_in for e in entries if e.previous)}
                for file in present.get(place or "", ())
            ),
            store=platform.storage.store,
        )
        for key, entries in effective.items()
    ]


def _object(entry: Entry, platform: Platform) -> ObjectWork:
    return ObjectWork(
        id=entry.id,
        key=entry.key,
        uri=platform.bucket.uri(entry.key),
        size=entry.size,
        modified=entry.modified,
        ingested_at=entry.first_seen,
        previous=_stored(entry.previous) if entry.previous else None,
    )


def _stored(entry: Entry) -> StoredObject:
    return StoredObject(entry.id, entry.key, entry.rows or 0)


def _parse(spark: SparkSession, work: list[PartitionWork]) -> list[ParseReport]:
    """Parse in Spark tasks. Each task gets only its own work; partitions are distributed by size,
    so that all tasks take about the same time."""
    tasks = min(len(work), _TASKS_PER_CORE * parallelism(spark))
    if not tasks:
        return []
    by_size = sorted(work, key=lambda w: sum(o.size for o in w.objects), reverse=True)
    shares = {
        "task": pa.array(range(tasks), pa.int32()),
        "work": pa.array((pickle.dumps(by_size[n::tasks]) for n in range(tasks)), pa.binary()),
    }

    def parse(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for work in batch.column(0).to_pylist():
                reports = [parse_partition(one) for one in pickle.loads(work)]
                yield pa.record_batch({"report": [pickle.dumps(reports)]})

    frame = dealt(spark.createDataFrame(pa.table(shares)), tasks, "task")
    rows = frame.select("work").mapInArrow(parse, "report binary").collect()
    reports = [report for row in rows for report in pickle.loads(row["report"])]
    return sorted(reports, key=lambda report: report.partition)


def _has_objects(report: ParseReport) -> bool:
    """Whether any object was read: a partition is built only from inputs that were read."""
    return any(one.error is None for one in report.objects)


def _nothing_read(report: ParseReport) -> bool:
    """Whether no object could be read; an object without rows was read, and gives an empty
    partition."""
    return bool(report.objects) and not _has_objects(report)


def _stands(
    report: ParseReport, table: BronzeTable, published: dict[str, Build], inputs: dict[str, str]
) -> bool:
    """Whether a partition keeps its published version because its new objects were unreadable."""
    build = published.get(report.partition)
    same = build and (build.inputs, build.contract) == (inputs[report.partition], table.version)
    return bool(same and _unread([report]))


def _record_errors(
    table: BronzeTable, platform: Platform, reports: list[ParseReport], run_id: str
) -> None:
    errors = [(o.id, o.error) for report in reports for o in report.objects if o.error]
    kept = {o.id for report in reports for o in report.objects if not o.error}  # bronze has it
    final = {i for i, e in errors if not e.transient} - kept
    failed = {i: e.message for i, e in errors if i in final}
    platform.ledger.mark_failed(failed, run_id, table.version)
    platform.ledger.mark_vanished(i for i, e in errors if e.kind == "vanished")
    platform.ledger.note_errors({i: e.message for i, e in errors if i not in final}, run_id)


def _findings(
    plan: Plan,
    staged: Staged,
    reports: list[ParseReport],
    keys: tuple[str, ...],
    failed: Mapping[str, Mapping[str, str]],
    unknown: Collection[str],
) -> list[Finding]:
    rows = staged.rows(DATA)
    history = {**plan.rows, **rows}
    found: list[Finding] = []
    for report in reports:
        key = report.partition
        if report.refused:
            found.append(Finding(checks.CONSERVATION, False, True, report.refused, partition=key))
            continue
        if key in keys:
            objects = sum(o.rows or 0 for o in report.objects)
            found.append(
                checks.conservation_finding(
                    key,
                    received=objects,
                    published=rows[key],
                    quarantined=0,
                    duplicates=0,
                    source="rows of its landed objects",
                )
            )
            found.append(checks.volume_finding(key, rows[key], history))
        errors = {o.key: o.error.message for o in report.objects if o.error}
        errors |= failed.get(key, {})  # of earlier runs too, so that they stay visible
        objects = len({o.key for o in report.objects} | errors.keys())
        found.append(checks.readable_finding(key, errors, objects, nothing_read=key in unknown))
    return found


def _unread(reports: list[ParseReport]) -> set[int]:
    return {o.id for report in reports for o in report.objects if o.error}


def _rows_by_object(report: ParseReport) -> dict[int, int]:
    """The partition's number of rows of each object version."""
    return {o.id: o.rows for o in report.objects if o.error is None and o.rows is not None}
