"""The partitions of checks by the status that the UI shows.

Dagster computes the same, but unites a set of partitions with one for each partition: a minute of
the webserver's time for each look at an asset with a long range of static partitions.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

from data_platform.build.dagster_internals import (
    CheckOfPartition,
    CheckState,
    CheckStatus,
    PartitionsOf,
    ShownStatus,
)

CheckOfAsset = tuple[dg.AssetCheckKey, dg.PartitionsDefinition | None]
_FEW = 100  # partitions of which each is looked up; of more, all that there are
_SHOWN = {CheckStatus.SUCCEEDED: ShownStatus.SUCCEEDED, CheckStatus.FAILED: ShownStatus.FAILED}
_ENDED = {
    dg.DagsterRunStatus.SUCCESS: ShownStatus.SKIPPED,
    dg.DagsterRunStatus.CANCELED: ShownStatus.SKIPPED,
    dg.DagsterRunStatus.FAILURE: ShownStatus.EXECUTION_FAILED,
}


def check_states(
    instance: dg.DagsterInstance,
    keys: Sequence[CheckOfAsset],
    infos: Sequence[CheckOfPartition],
) -> Mapping[dg.AssetCheckKey, CheckState]:
    """The states of checks by the newest evaluation of each of their partitions."""
    planned = {i.latest_planned_run_id for i in infos if _is_planned(i)}
    ended = _how_ended(instance, planned)
    by_check: dict[dg.AssetCheckKey, list[CheckOfPartition]] = defaultdict(list)
    for info in infos:
        by_check[info.check_key].append(info)
    subsets = _Subsets()
    return {key: _state(key, of, by_check[key], ended, subsets) for key, of in keys}


def _is_planned(info: CheckOfPartition) -> bool:
    return info.latest_execution_status is CheckStatus.PLANNED


def _how_ended(instance: dg.DagsterInstance, run_ids: Collection[str]) -> Mapping[str, ShownStatus]:
    """What the evaluations are shown as that runs planned and left out, by those that ended."""
    if not run_ids:
        return {}
    filters = dg.RunsFilter(run_ids=list(run_ids), statuses=list(_ENDED))
    return {run.run_id: _ENDED[run.status] for run in instance.get_runs(filters)}


class _Subsets:
    """Sets of partitions, each made once: the checks of a table are mostly about the same ones."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, frozenset[str | None]], Any] = {}
        self._valid: dict[int, frozenset[str]] = {}

    def of(
        self,
        key: dg.AssetCheckKey,
        partitions: dg.PartitionsDefinition | None,
        keys: frozenset[str | None],
    ) -> PartitionsOf[dg.AssetCheckKey]:
        made = self._made.get(found := (id(partitions), keys))
        if made is None:
            made = self._made[found] = self._value(partitions, keys)
        return PartitionsOf(key, made)

    def _value(
        self, partitions: dg.PartitionsDefinition | None, keys: frozenset[str | None]
    ) -> Any:
        if partitions is None:
            return None in keys
        named = {key for key in keys if key is not None}
        if len(named) <= _FEW:
            valid = {key for key in named if partitions.has_partition_key(key)}
        else:
            if id(partitions) not in self._valid:
                self._valid[id(partitions)] = frozenset(partitions.get_partition_keys())
            valid = named & self._valid[id(partitions)]
        return partitions.subset_with_partition_keys(valid)


def _state(
    key: dg.AssetCheckKey,
    partitions: dg.PartitionsDefinition | None,
    infos: Sequence[CheckOfPartition],
    ended: Mapping[str, ShownStatus],
    subsets: _Subsets,
) -> CheckState:
    by_status: dict[ShownStatus, set[str | None]] = {status: set() for status in ShownStatus}
    by_run: dict[str, set[str | None]] = defaultdict(set)
    latest = 0
    for info in infos:
        stored = info.latest_check_event_storage_id
        latest = max(latest, stored, info.latest_materialization_storage_id or 0)
        run_id = info.latest_planned_run_id
        if _is_planned(info):
            by_status[ended.get(run_id, ShownStatus.IN_PROGRESS)].add(info.partition_key)
            if run_id not in ended:
                by_run[run_id].add(info.partition_key)
        elif info.is_current:
            by_status[_SHOWN[info.latest_execution_status]].add(info.partition_key)
    under_way = {run: subsets.of(key, partitions, frozenset(of)) for run, of in by_run.items()}
    return CheckState(
        latest_storage_id=latest,
        subsets={s: subsets.of(key, partitions, frozenset(of)) for s, of in by_status.items()},
        in_progress_runs={run: of for run, of in under_way.items() if not of.is_empty},
    )
