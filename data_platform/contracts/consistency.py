"""Refuse contracts whose parts contradict each other."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

from data_platform.contracts.contract import Contract
from data_platform.contracts.errors import ContractError
from data_platform.contracts.freshness import CHECK as FRESHNESS
from data_platform.contracts.freshness import refuse_wrong_freshness
from data_platform.contracts.names import check_name
from data_platform.contracts.spec import ColumnSpec, Severity
from data_platform.tables.columns import INGESTED_AT, LINEAGE
from data_platform.tables.nearest import nearest
from data_platform.tables.owners import owner_problem

Layer = Literal["bronze", "silver", "gold"]

PLATFORMS_OWN = (
    *("rules", "conservation", "volume", "inputs", "readable", "partition", "written"),
    FRESHNESS,
)
"""The names of the platform's own checks; rules share their namespace, so they are reserved."""

_TIMES = ("date", "timestamp", "timestamp_ntz")
_NEVER_PUBLISHED = {
    "not_null": "a null cannot be published in a column that takes none; nullable=True",
    "in_calendar": "no reader could read the partition; let the function make it null",
    "complete": "such a null cannot be published; let the type say that there may be nulls inside",
}


def with_warnings(
    columns: tuple[ColumnSpec, ...], warn: tuple[str, ...], *, table: str
) -> tuple[ColumnSpec, ...]:
    kinds = {check.name: check.kind for column in columns for check in column.checks}
    for name in warn:
        if name not in kinds:
            column = name.split(".")[0]
            near = [known for known in kinds if known.startswith(f"{column}.")] or list(kinds)
            raise ContractError(
                f"warn: no built-in check has this name; there is {', '.join(near) or 'none'}. "
                "A Rule says severity='warning' itself",
                table=table,
                check=name,
            )
        if why := _NEVER_PUBLISHED.get(kinds[name]):
            raise ContractError(
                f"warn: {why}",
                table=table,
                check=name,
            )
    return tuple(
        replace(
            column,
            checks=tuple(
                replace(check, severity="warning") if check.name in warn else check
                for check in column.checks
            ),
        )
        for column in columns
    )


def one_key(
    columns: tuple[ColumnSpec, ...],
    key: tuple[str, ...],
    key_as_received: bool,
    merge_on: tuple[str, ...],
    *,
    unique: str | Sequence[str],
    table: str,
) -> tuple[str, ...]:
    """The key that `key`, `merge_on`, `unique=True` or `unique` (the model's `Config.unique`) give.
    Raises ContractError if they name different keys."""
    said = {
        "key": tuple(key),
        "merge_on": tuple(merge_on),
        "Config.unique": (unique,) if isinstance(unique, str) else tuple(unique),
        **{f"{c.name}, unique": (c.name,) for c in columns if c.unique},
    }
    said = {where: names for where, names in said.items() if names}
    if len({frozenset(names) for names in said.values()}) > 1 or (
        key_as_received and len(said) > 1
    ):
        contradiction = "; ".join(f"{where}: {', '.join(names)}" for where, names in said.items())
        raise ContractError(f"a table has one key, here are more ({contradiction})", table=table)
    return next(iter(said.values()), ())


def refuse_contradictions(declared: Contract) -> None:
    def refuse(why: str, *, column: str | None = None, check: str | None = None) -> ContractError:
        return ContractError(why, table=declared.table, column=column, check=check)

    layers = get_args(Layer)
    if not re.fullmatch(rf"({'|'.join(layers)})(/[a-z][a-z0-9_]*){{2}}", declared.table):
        raise refuse(
            f"a table is named layer/domain/name, the layer one of {', '.join(layers)}, the rest "
            "lower case letters, digits and underscores"
        )
    if not declared.columns:
        raise refuse("it declares no column")
    for setting in ("owner", "version"):
        if not isinstance(getattr(declared, setting), str) or not getattr(declared, setting):
            raise refuse(f"{setting} is {getattr(declared, setting)!r}; give a text")
    if problem := owner_problem(declared.owner):
        raise refuse(problem)
    if not 0 <= declared.quarantine_threshold <= 1:
        raise refuse(
            f"quarantine_threshold is a share from 0 to 1, not {declared.quarantine_threshold!r}"
        )
    if declared.retention.days < 1 or declared.retention.snapshots < 1:
        raise refuse(f"{declared.retention} keeps nothing; days and snapshots are at least 1")
    _refuse_unknown_columns(declared, refuse)
    times = [column.name for column in declared.columns if column.type.text in _TIMES]
    refuse_wrong_freshness(declared.freshness, declared.table, times)
    if not declared.lineage:
        _refuse_what_needs_lineage(declared, refuse)
    _refuse_what_cannot_be_merged(declared, refuse)
    _refuse_ambiguous_rules(declared, refuse)


def _refuse_unknown_columns(declared: Contract, refuse: Callable[..., ContractError]) -> None:
    columns = {column.name: column for column in declared.columns}
    named = {
        "partition_by": (declared.partition_by, columns),
        "merge_on" if declared.merge_on else "key": (
            () if declared.key_as_received else declared.key,
            columns,
        ),
        "latest": (declared.latest, columns),
        "winner": (
            tuple(one.column for one in declared.winner),
            {**columns, **dict.fromkeys((*LINEAGE, INGESTED_AT))},
        ),
    }
    for setting, (names, known) in named.items():
        for name in names:
            if name not in known:
                near = nearest(name, known) or list(known)
                raise refuse(
                    f"{setting} names a column that is not there; there is {', '.join(near)}",
                    column=name,
                )
        if len(set(names)) < len(names):
            raise refuse(f"{setting} names a column twice: {', '.join(names)}")
    for name in declared.partition_by:
        if columns[name].nullable:
            raise refuse("a partition column takes no null; nullable=False", column=name)
        if columns[name].sensitivity == "personal":
            raise refuse(
                "a personal column cannot partition the table: its values would be in the paths of "
                "files, in logs and in messages; partition by another one",
                column=name,
            )


def _refuse_what_needs_lineage(declared: Contract, refuse: Callable[..., ContractError]) -> None:
    """Refuse what needs lineage: without it there is no row as received and no winner of a key."""
    way_out = "leave it out, or declare the table in layer silver, or with lineage=True"
    for column in declared.columns:
        if column.source:
            raise refuse(
                f"source={column.source!r} needs the row as received, which a table without "
                f"lineage has not; {way_out}",
                column=column.name,
            )
    said = {
        "key_as_received=True": declared.key_as_received,
        f"winner={', '.join(one.column for one in declared.winner)}": declared.winner,
    }
    for setting in (setting for setting, given in said.items() if given):
        raise refuse(
            f"{setting} says nothing in a table without lineage, where a repeated key holds the "
            f"partition back; {way_out}"
        )


def _refuse_what_cannot_be_merged(declared: Contract, refuse: Callable[..., ContractError]) -> None:
    if not declared.merge_on:
        if declared.latest:
            raise refuse(
                f"latest={declared.latest!r} says which row of a key a merged table keeps, and "
                "this one is not merged; add merge_on, or leave it out"
            )
        if declared.arrival:
            raise refuse(
                "arrival=True is for a merged table, and this one is not merged; add merge_on, or "
                "leave it out"
            )
        return
    if not declared.latest:
        raise refuse(
            f"merge_on={declared.merge_on!r} does not say which of the rows of a key is kept; name "
            'the columns that tell the newer one, as in latest=("updated_at",)'
        )
    if declared.lineage:
        raise refuse(
            "a merged table has one row for many that it was given, so it cannot account for "
            "each, as a table with lineage does; declare the changes as a silver table with "
            "partitions, and merge that in layer gold"
        )
    if declared.partition_by:
        raise refuse(
            f"partition_by={declared.partition_by!r}, but a merged table is one partition: its "
            "rows are keyed across those of its input; leave it out"
        )
    if declared.quarantine_threshold:
        raise refuse(
            f"quarantine_threshold is {declared.quarantine_threshold}, but a merged table must not "
            "pass over a row for good; leave it out, and let the silver table that it merges "
            "quarantine what breaks a rule"
        )
    columns = {column.name: column for column in declared.columns}
    for setting in ("merge_on", "latest"):
        for name in getattr(declared, setting):
            if columns[name].nullable:
                raise refuse(f"a column of {setting} takes no null; nullable=False", column=name)


def _refuse_ambiguous_rules(declared: Contract, refuse: Callable[..., ContractError]) -> None:
    taken: set[str] = set()
    for column in declared.columns:
        for check in column.checks:
            if check_name(check.name) in taken:
                raise refuse("another check has this name", column=column.name, check=check.name)
            taken.add(check_name(check.name))
    if declared.rescued not in (None, *get_args(Severity)):
        raise refuse(f"rescued is {' or '.join(get_args(Severity))}, not {declared.rescued!r}")
    if declared.rescued and declared.layer != "silver":
        raise refuse(
            f"rescued={declared.rescued!r} is for tables of layer silver: the rows of others come "
            "from no file; leave it out"
        )
    for rule in declared.rules:
        name = check_name(rule.name)
        if declared.rescued and name == "rescued":
            raise refuse(
                "a silver table has this rule by itself; leave it out, or say "
                'contract(rescued="warning") where such rows are to be published',
                check=name,
            )
        if name in taken or not name:
            raise refuse("a rule has a name of its own", check=rule.name or "''")
        if name in PLATFORMS_OWN:
            raise refuse(
                f"{', '.join(PLATFORMS_OWN)} are the platform's own checks; call the rule "
                "otherwise",
                check=rule.name,
            )
        if not re.fullmatch(r"\w+", name, re.ASCII):
            raise refuse("a rule's name is letters, digits and underscores", check=rule.name)
        if rule.severity not in get_args(Severity):
            raise refuse(
                f"severity is {', '.join(get_args(Severity))}, not {rule.severity!r}",
                check=rule.name,
            )
        taken.add(name)
