"""Assemble Dagster's definitions from declared tables."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

import dagster as dg

from data_platform.assets import Table
from data_platform.buckets.tables import TableUse, standard_tiers
from data_platform.build.kinds import judged, landed
from data_platform.build.mappings import partitions_of, require_mappings
from data_platform.build.tables import schema_of_rows
from data_platform.contracts.contract import Contract
from data_platform.contracts.errors import ContractError, DeclarationError
from data_platform.contracts.freshness import refuse_unmeasurable, refuse_wrong_freshness
from data_platform.contracts.names import folded
from data_platform.platform_defs.asset import asset_of
from data_platform.platform_defs.asset_tables import is_table, table_of
from data_platform.platform_defs.bucket_audit import (
    bucket_audit,
    bucket_audit_job,
    bucket_audit_schedule,
)
from data_platform.platform_defs.console import as_usual_console, console
from data_platform.platform_defs.engine_rules import require_engine
from data_platform.platform_defs.freshness_sensor import freshness_sensors
from data_platform.platform_defs.incidents_sensor import incidents_sensor
from data_platform.platform_defs.jobs import jobs
from data_platform.platform_defs.metrics_sensor import metrics_sensors
from data_platform.platform_defs.reconciliation import reconciliation_job, reconciliation_schedule
from data_platform.platform_defs.resources import resources
from data_platform.platform_defs.sensors import sensors
from data_platform.platform_defs.storage_costs import (
    storage_costs,
    storage_costs_job,
    storage_costs_schedule,
)
from data_platform.platform_defs.table_uses import table_uses
from data_platform.runs.failed_partitions import failed_status_sensors
from data_platform.settings.model import Settings
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import TableId
from data_platform.tables.nearest import nearest
from data_platform.telemetry.logs import log_as, quiet_libraries
from data_platform.telemetry.warnings import previews_accepted

_T = TypeVar("_T", bound=Table)


def definitions(
    tables: Sequence[Table],
    settings: Settings,
    *,
    others: Sequence[dg.AssetsDefinition] = (),
) -> dg.Definitions:
    """Assets, jobs, sensors and schedules of all tables; `others` are ordinary assets.

    Raises ContractError if a contract names bronze columns that its bronze table lacks, or has a
    pattern or a rule that the engine of the settings would compute differently from Spark;
    ValueError if a function's parameter is not a declared table.
    """
    log_as(settings.log_format)
    quiet_libraries()
    as_usual_console()
    _require_distinct(tables)
    _require_received(tables)
    _require_arrival(tables)
    _require_inputs(tables, others)
    _require_freshness(tables)
    require_engine(tables, settings)
    require_mappings(tables)
    known = partitions_of(tables, others)
    with previews_accepted():
        assets = [asset_of(table, known) for table in tables]
    reconciliation = reconciliation_job(tables)
    by_name = jobs(tables)
    of_buckets = _of_buckets(settings, table_uses(tables, others))
    declared = dg.Definitions(
        assets=[*assets, *others],
        jobs=[*by_name.values(), reconciliation],
        sensors=[
            *sensors(tables, by_name),
            *failed_status_sensors(tables),
            *metrics_sensors(tables),
            *freshness_sensors(tables),
            incidents_sensor(tables, [*others, *_assets(of_buckets)]),
        ],
        schedules=[reconciliation_schedule(reconciliation)],
        resources=resources(settings),
        loggers={"console": console},
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(declared, of_buckets)


def _assets(of: dg.Definitions) -> Iterator[dg.AssetsDefinition]:
    return (each for each in of.assets or () if isinstance(each, dg.AssetsDefinition))


def _of_buckets(settings: Settings, uses: Sequence[TableUse]) -> dg.Definitions:
    """What audits buckets; nothing where directories stand for them."""
    if not settings.has_buckets:
        return dg.Definitions()
    job = bucket_audit_job()
    schedule = bucket_audit_schedule(job)
    audit = bucket_audit(settings, standard_tiers(settings, uses))
    costs = storage_costs_job()
    return dg.Definitions(
        assets=[audit, storage_costs(settings)],
        jobs=[job, costs],
        schedules=[schedule, storage_costs_schedule(costs)],
    )


def _require_distinct(tables: Sequence[Table]) -> None:
    """Refuse tables that share what they cannot: a name, a source, or the table of rejected
    rows."""
    for table in _second(tables, lambda table: table.id):
        raise DeclarationError(f"{table.id}: two tables are declared by this name; rename one")
    for table in _second(landed(tables), lambda table: table.source.name):
        raise DeclarationError(
            f"{table.id}: another table has a source of the name {table.source.name!r}, and the "
            "ledger keeps what landed by it; give the source another name, or take the rows from "
            "the other table"
        )
    for table in _second(judged(tables), lambda table: table.id.sibling("quarantine")):
        raise ContractError(
            f"the tables of a domain that have the same name in silver and in gold would share "
            f"{table.id.sibling('quarantine')}, with other columns each; rename one of them",
            table=str(table.id),
        )


def _second(tables: Sequence[_T], of: Callable[[_T], object]) -> Iterator[_T]:
    """The tables for which `of` returns a value (not None or empty) that an earlier one has."""
    seen: set[object] = set()
    for table in tables:
        if (said := of(table)) and said in seen:
            yield table
        seen.add(said)


def _require_inputs(tables: Sequence[Table], others: Sequence[dg.AssetsDefinition]) -> None:
    """Refuse parameters that name no table: as inputs without rows, runs would build nothing.

    Tables that `ins` or `source` name in full may come from other code.
    """
    declared = {table.id for table in tables}
    declared |= {table_of(k) for asset in others for k in asset.keys if is_table(k)}
    for table in tables:
        for name, upstream in table.inputs.items():
            by_name = upstream == TableId("silver", table.id.domain, name)
            if by_name and upstream not in declared:
                near = nearest(str(upstream), map(str, declared), separator="/")
                hint = f"did you mean {' or '.join(near)}? " if near else ""
                raise DeclarationError(
                    f"{table.id}: its function's parameter {name!r} reads {upstream}, which is not "
                    f"a declared table; {hint}ins={{{name!r}: 'layer/domain/name'}} names another"
                )
    _require_bronze(tables, declared)


def _require_bronze(tables: Sequence[Table], declared: Collection[TableId]) -> None:
    """Refuse a silver table without its bronze table if there is one of a similar name that no
    table reads: one of the two is mistyped."""
    read = {upstream for table in tables for upstream in table.inputs.values()}
    unread = {str(table.id) for table in landed(tables) if table.id not in read}
    missing = read.difference(declared)
    for table in tables:
        own = table.id.sibling("bronze")
        if table.id.layer != "silver" or own not in missing & set(table.inputs.values()):
            continue
        if near := nearest(str(own), unread, separator="/"):
            raise DeclarationError(
                f"{table.id} reads {own}, which is not a declared table; did you mean "
                f"{' or '.join(near)}? silver(source=...) names the table it reads, and "
                "Source(table=...) the table that a source's rows go to"
            )


def _require_received(tables: Sequence[Table]) -> None:
    """Check contracts against rows as received; both are known only here."""
    bronze = {table.id: schema_of_rows(table).names for table in landed(tables)}
    for table in judged(tables):
        for upstream in table.inputs.values():
            if table.lineage and upstream in bronze:
                _require_columns(table.contract, str(upstream), bronze[upstream])


def _require_arrival(tables: Sequence[Table]) -> None:
    """Refuse arrival=True for inputs without lineage: their rows did not arrive but were
    computed."""
    computed = {t.id for t in judged(tables) if not (t.contract.lineage or t.contract.arrival)}
    for table in judged(tables):
        for upstream in table.inputs.values():
            if table.contract.arrival and upstream in computed:
                raise ContractError(
                    f"it merges {upstream}, whose rows do not say when they arrived; merge a "
                    "silver table, or declare arrival=False: of rows with equal "
                    f"{', '.join(table.contract.latest)} the greatest in the other columns is kept",
                    table=table.contract.table,
                )


def _require_freshness(tables: Sequence[Table]) -> None:
    """Refuse rules of freshness that the table cannot be measured by; contracts check the rest."""
    for table in tables:
        if table.contract is None:
            refuse_wrong_freshness(table.freshness, str(table.id), columns=())
        has_time = Calendar.of(table.partitions) is not None
        refuse_unmeasurable(table.freshness, str(table.id), has_time=has_time)


def _require_columns(contract: Contract, bronze: str, names: Sequence[str]) -> None:
    known = {folded(name): name for name in names}
    said = [(c.name, c.source, "source") for c in contract.columns if c.source]
    said += [(name, name, "partition_by") for name in contract.partition_by]
    said += [(name, name, "key") for name in contract.key if contract.key_as_received]
    for column, name, setting in said:
        if folded(name) not in known:
            near = nearest(folded(name), known) or list(known)
            raise ContractError(
                f"{setting} names {name!r}, which is not a column of {bronze}; there is "
                f"{', '.join(known[n] for n in near)}",
                table=contract.table,
                column=column,
            )
