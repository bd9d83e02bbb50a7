"""Log a step's Dagster events: check results and materializations, one for each partition.

Dagster marks a whole range as materialized when a ranged step yields its output. Here some
partitions of a range may be held back, or not be due at all, so the events are logged for each
partition that was actually built, and the output tells Dagster to log none.

A check counts for the materialization that it names, and for none once there is a newer one. So
checks are logged after the materializations of the partitions they are about.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.build.dagster_internals import (
    AssetEvent,
    Target,
    log_batch,
    target_of,
    targets_of,
)
from data_platform.build.reports import Figures
from data_platform.lake.writing.publish import Published
from data_platform.quality.findings import Finding

DATA_VERSION_TAG = "dagster/data_version"  # of a materialization
WITHOUT_INPUT = "without input"  # the data version of a materialization without data
NO_INPUT = "no input for this partition: nothing published, it reads as empty"
_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION
_CHUNK = 500


class Moments:
    """Timestamps in milliseconds up to now, each given out once in a process.

    The UI shows one event of an asset per millisecond: the last of those with the same one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def take(self, count: int) -> list[float]:
        """`count` timestamps in seconds since 1970, oldest first, all after those taken before.
        They end now, unless more are taken than milliseconds have passed."""
        with self._lock:
            first = max(time.time_ns() // 10**6 - count + 1, self._last + 1)
            self._last = first + count - 1
        # In the middle of a millisecond, so that rounding up or down keeps them distinct.
        return [(first + number + 0.25) / 1000 for number in range(count)]


_MOMENTS = Moments()


@dataclass(frozen=True)
class Log:
    """Logs events of an asset, in the run of a step or in no run (`step` None)."""

    instance: dg.DagsterInstance
    asset: dg.AssetKey
    step: dg.StepExecutionContext | None = None

    @staticmethod
    def of(context: dg.AssetExecutionContext, asset: dg.AssetKey) -> "Log":
        """The log of a step of an asset."""
        return Log(context.instance, asset, context.get_step_execution_context())

    def findings(self, findings: Iterable[Finding]) -> None:
        """Log a check evaluation for each finding, targeting the newest materialization; they
        remain if the step fails afterwards.

        Failed ones come last, since a check's page and its asset's overview show the newest.
        """
        ordered = sorted(findings, key=lambda finding: (not finding.passed, finding.blocking))
        targets = self._targets({finding.partition or None for finding in ordered})
        self._log(
            [
                (_evaluation(self.asset, f, targets.get(f.partition or None)), _said(f))
                for f in ordered
            ]
        )

    def published(self, attempt: str, figures: Figures) -> None:
        """Log a materialization for each published partition, with its figures."""
        self.materializations(
            dg.AssetMaterialization(
                asset_key=self.asset,
                partition=key or None,
                metadata={name: _metadata(value) for name, value in said.items()},
                tags={DATA_VERSION_TAG: attempt},
            )
            for key, said in figures.items()
        )

    def held_back(self, held: Mapping[str, Mapping[str, str]]) -> None:
        """Log an observation for each partition that was held back: nothing else on its page says
        why it is unchanged."""
        self._log(
            [
                (
                    dg.AssetObservation(
                        self.asset,
                        partition=key or None,
                        description="held back by its checks",
                        metadata=dict(said),
                    ),
                    f"{key or 'the table'} held back",
                )
                for key, said in held.items()
            ]
        )

    def without_input(self, keys: Iterable[str]) -> None:
        """Log a materialization for each partition of a backfill's range without input.

        Such a partition publishes nothing and reads as empty; without a materialization Dagster
        would mark the backfill as failed. `failed_partitions` wipes them after the backfill ends.
        """
        self.materializations(
            dg.AssetMaterialization(
                asset_key=self.asset,
                partition=key or None,
                description=NO_INPUT,
                metadata={"dagster/partition_row_count": 0, "files": 0, "size_kib": 0.0},
                tags={DATA_VERSION_TAG: WITHOUT_INPUT},
            )
            for key in keys
        )

    def materializations(self, found: Iterable[dg.AssetMaterialization]) -> None:
        """Log the given materializations as one batch."""
        self._log([(each, f"{each.partition or 'the table'} materialized") for each in found])

    def untold(self, attempts: Mapping[str, str]) -> list[str]:
        """The partitions whose newest materialization is not of these attempts."""
        told: dict[str, str | None] = {}
        if "" in attempts:
            for record in self.instance.fetch_materializations(self.asset, limit=1).records:
                event = record.asset_materialization
                told[""] = event and (event.tags or {}).get(DATA_VERSION_TAG)
        elif attempts:
            tags = self.instance.event_log_storage.get_latest_tags_by_partition(
                self.asset, _MATERIALIZATION, tag_keys=[DATA_VERSION_TAG]
            )
            told = {key: of.get(DATA_VERSION_TAG) for key, of in tags.items()}
        return [key for key, attempt in attempts.items() if told.get(key) != attempt]

    def _targets(self, partitions: set[str | None]) -> dict[str | None, Target]:
        """The newest materialization of each partition; for None, of the asset."""
        found: dict[str | None, Target] = {}
        if None in partitions:
            for record in self.instance.fetch_materializations(self.asset, limit=1).records:
                found[None] = target_of(record)
        keys = {key for key in partitions if key is not None}
        if not keys:
            return found
        few = keys if len(keys) <= _CHUNK else None
        ids = self.instance.event_log_storage.get_latest_storage_id_by_partition(
            self.asset, _MATERIALIZATION, few
        )
        wanted = [number for key, number in ids.items() if key in keys]
        for start in range(0, len(wanted), _CHUNK):
            found |= targets_of(self.instance, wanted[start : start + _CHUNK])
        return found

    def _log(self, events: Sequence[tuple[AssetEvent, str]]) -> None:
        """Log events with their messages as a batch, each with its own timestamp."""
        log_batch(self.instance, self.step, events, _MOMENTS.take(len(events)))


def figures_of(published: Published) -> dict[str, int | float | str]:
    """The metadata of a partition's materialization; Dagster plots the numbers by partition."""
    return {
        "dagster/partition_row_count": published.rows,
        "files": published.files,
        "size_kib": round(published.bytes / 1024, 1),
        "snapshot_id": str(published.snapshot_id),
    }


def _evaluation(
    asset: dg.AssetKey, finding: Finding, target: Target | None
) -> dg.AssetCheckEvaluation:
    severity = dg.AssetCheckSeverity.ERROR if finding.is_severe else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=finding.check,
        passed=finding.passed,
        severity=severity,
        description=finding.description,
        metadata={k: _of_check(v, finding.partition) for k, v in finding.metadata.items()},
        partition=finding.partition or None,
        blocking=finding.blocking,
        target_materialization_data=target,
    )


def _said(finding: Finding) -> str:
    """The finding as a line of the run's log."""
    of = f" of {finding.partition}" if finding.partition else ""
    how = "passed" if finding.passed else "failed" if finding.is_severe else "warns"
    return f"{finding.check}{of} {how}: {finding.description}"


def _of_check(value: object, partition: str | None):
    """A check's metadata value; a partition's numbers become text, since Dagster plots numbers of
    checks by run time, which all partitions of a range share."""
    return str(value) if partition and isinstance(value, int | float) else _metadata(value)


def _metadata(value: object):
    """The value for the UI: numbers to plot, rows as a table, everything else as text."""
    match value:
        case int() | float():
            return value
        case list() if value:
            records = [dg.TableRecord(row) for row in value]
            return dg.MetadataValue.table(records)
        case list():
            return "none"
    return str(value)
