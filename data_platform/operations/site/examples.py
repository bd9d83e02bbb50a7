"""Example rows of a table, without anything personal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from data_platform.assets import Table
from data_platform.lake.catalog import LakeTable
from data_platform.lake.figures import periods
from data_platform.lake.files import Files
from data_platform.lake.upkeep.browse import first_rows
from data_platform.operations.lineage import Column, Lineage

_LONGEST = 80  # characters of a value


@dataclass(frozen=True)
class Examples:
    """Some rows, as text; `left_out` are the columns that are not shown, and `why` says why there
    are no rows."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left_out: Sequence[str] = ()
    why: str = ""


def made_from_personal(table: Table, tables: Collection[Table], lineage: Lineage) -> set[str]:
    """The columns of a table that are marked personal; and of those not marked public what is made
    from one, or from what is not known."""
    marks = {
        Column(str(each.id), column.name): column.sensitivity
        for each in tables
        if each.contract
        for column in each.contract.columns
    }
    names = [column.name for column in table.contract.columns] if table.contract else []
    return {name for name in names if _is_personal(Column(str(table.id), name), marks, lineage)}


def _is_personal(column: Column, marks: Mapping[Column, str], lineage: Lineage) -> bool:
    if marks[column] in ("personal", "public"):
        return marks[column] == "personal"
    if lineage.unknown_along(column, "up"):
        return True
    return any(marks.get(edge.source) == "personal" for _, edge in lineage.walk(column, "up"))


def examples(
    table: Table, loaded: LakeTable, files: Files, most: int, hidden: Collection[str]
) -> Examples:
    """The first rows of the newest partition, of the contract's columns that are not `hidden`. A
    table without a contract does not say which of its columns are personal, and has none."""
    if table.contract is None:
        why = "Rows as received are not shown: no contract says which of their columns are personal"
        return Examples(why=f"{why}.")
    names = [column.name for column in table.contract.columns]
    shown = [name for name in names if name not in hidden]
    left_out = [name for name in names if name in hidden]
    if most < 1 or not shown:
        why = "None are shown: " + (
            "it was made without." if shown else "every column is personal."
        )
        return Examples(left_out=left_out, why=why)
    newest = [key for of in reversed(periods(loaded, files, len(files))) for key in of.keys]
    paths = (file.file_path for key in newest for file in files[key] if file.record_count)
    if (path := next(paths, None)) is None:
        return Examples(left_out=left_out, why="It has no rows.")
    found = first_rows(loaded, path, most, shown)
    return Examples(shown, [[_text(row.get(name)) for name in shown] for row in found], left_out)


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
