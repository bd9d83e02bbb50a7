"""Discover the tables and assets that the modules of the domains' packages declare."""

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from data_platform.assets import Table
from data_platform.tables.identity import LAYERS, TableId

DOMAINS = "data_platform.domains"
ENTRY_POINTS = "data_platform.domains"  # the entry point group for packages with domains


@dataclass(frozen=True)
class Declared:
    """Tables, each after those it reads, and ordinary assets, by domain and then as written."""

    tables: tuple[Table, ...]
    others: tuple[dg.AssetsDefinition, ...]


def packages(named: Iterable[str]) -> list[str]:
    """The packages with domains: the checkout's own, those of installed packages that have an
    entry point for them, and those that are `named`."""
    installed = sorted(each.value for each in importlib.metadata.entry_points(group=ENTRY_POINTS))
    return list(dict.fromkeys([DOMAINS, *installed, *named]))


def discovered(names: Sequence[str]) -> Declared:
    """What the modules of these packages declare at module level, subfolders included.

    Errors raised by importing them propagate.
    """
    tables: dict[int, Table] = {}
    others: dict[int, dg.AssetsDefinition] = {}
    for module in map(importlib.import_module, _modules(names)):
        for value in vars(module).values():
            match value:
                case Table():
                    tables.setdefault(id(value), value)
                case dg.AssetsDefinition():
                    others.setdefault(id(value), value)
    return Declared(_each_after_its_inputs(list(tables.values())), tuple(others.values()))


def folders(names: Iterable[str]) -> list[Path]:
    """The folders of these packages. Raises ModuleNotFoundError for a missing one."""
    found: list[Path] = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(
                f"No module named {name!r} to search for domains: start from the folder that "
                f"it is in, install it, or correct DATA_PLATFORM_DOMAINS (or the entry point of "
                f"{ENTRY_POINTS})",
                name=name,
            )
        places = spec.submodule_search_locations or [str(spec.origin)]
        found += map(Path, places)
    return found


def _modules(names: Iterable[str]) -> Iterator[str]:
    """The modules in the folders, which need no `__init__.py`."""
    for name in names:
        for place in folders([name]):
            yield name
            for file in sorted(place.rglob("*.py")):
                parts = file.relative_to(place).with_suffix("").parts
                if parts != ("__init__",) and not any(part.startswith(".") for part in parts):
                    yield ".".join((name, *parts)).removesuffix(".__init__")


def _each_after_its_inputs(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Sorted by layer, domain and position in the code, but each table after those it reads."""
    by_id = {table.id: table for table in tables}
    ordered: dict[int, Table] = {}

    def add(table: Table, reading: frozenset[TableId]) -> None:
        for upstream in table.inputs.values():
            if upstream in by_id and upstream not in reading:  # Dagster refuses cycles
                add(by_id[upstream], reading | {table.id})
        ordered.setdefault(id(table), table)

    for table in sorted(tables, key=lambda table: LAYERS.index(table.id.layer)):
        add(table, frozenset())
    return tuple(ordered.values())
