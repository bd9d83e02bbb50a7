"""Generate the first files of a new table: source, contract, bronze and silver, and a test.

`files_of` returns what would be written, and `write` writes it. A table gets its own module, which
can be split later; the tables of a domain share its partitions.
"""

import datetime as dt
import keyword
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from data_platform.lake.errors import NotThere
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

PARTITIONS = Template('''"""The time that the tables of $domain are partitioned by."""

import dagster as dg

# end_offset=1: today's file is loaded today, not when the day is over.
daily = dg.DailyPartitionsDefinition(start_date="$year-01-01", end_offset=1)
''')

TABLE = Template('''"""What lands of $name, what is promised of it, and how it is computed."""

$imports

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

TEAM = "team:$domain"

received = bronze(
    source=Source(
        name="${domain}_$name",
        prefix="$domain/$name/",
        # the day comes first, so that intake lists the newest days alone
        pattern=r"^$domain/$name/(\\d{4}-\\d{2}-\\d{2})([._-][^/]*)?\\.csv$$",
        table="bronze/$domain/$name",
        format=Csv(columns=("id", "happened_at", "amount")),
    ),
    partitions=daily,
    owner=TEAM,
    description="Every row of the files of $name as received.",
)


@contract(
    table="silver/$domain/$name",
    partition_by="day",
    key=("id",),  # of valid rows with the same key, the last to arrive is published
    rules=(
        Rule(
            "happened_on_day",
            lambda: F.col("happened_at").cast("date") == F.col("day"),
            "it happened on the day whose file holds it",
        ),
    ),
    owner=TEAM,
    version="1.0.0",
)
class $model(pa.DataFrameModel):
    """One row for each id and day."""

    day: T.DateType = column(description="day whose file held the row; the partition")
    id: T.StringType = column(
        source="id", str_length={"min_value": 1}, description="what the sender calls it"
    )
    happened_at: T.TimestampNTZType = column(
        source="happened_at", description="date and time, in no stated zone"
    )
    amount: T.DecimalType(12, 2) = column(source="amount", ge=0, description="how much")


@silver(contract=$model, partitions=daily)
def $name(received: DataFrame) -> DataFrame:
    """One row for each id and day; a value that cannot be typed is null, and its row rejected."""
    return received.withColumns(
        {
            "id": F.trim("id"),
            "happened_at": typed.timestamp_ntz("happened_at"),
            "amount": typed.decimal("amount", 12, 2),
        }
    )
''')
_OF_TABLE = (
    "import pandera.pyspark as pa",
    "from data_platform.assets import bronze, silver",
    "from data_platform.contracts import typed",
    "from data_platform.contracts.columns import column",
    "from data_platform.contracts.contract import Rule",
    "from data_platform.contracts.declare import contract",
    "from data_platform.landing.formats.csv import Csv",
    "from data_platform.landing.source import Source",
    "from pyspark.sql import DataFrame",
    "from pyspark.sql import functions as F",
    "from pyspark.sql import types as T",
)

TEST = Template('''"""$domain/$name, from a landed file to its rows."""

$standard

$imports

DAY = "$year-01-05"
KEY = f"$domain/$name/{DAY}.csv"
HEADER = "id,happened_at,amount"
GOOD = [f"{n},{DAY} 08:00:{n % 60:02},{n}.50" for n in range(200)]


def test_each_row_is_published_rejected_or_a_duplicate(tmp_path: Path) -> None:
    wrong = f"200,{DAY} 08:00:00,much"
    with platform_with(received, $name, directory=tmp_path) as platform:
        platform.land(KEY, "\\n".join([HEADER, *GOOD, GOOD[0], wrong, ""]))
        platform.run()

        published = platform.published($name).set_index("id")
        assert len(published) == len(GOOD)
        assert published.loc["7", "amount"] == Decimal("7.50")
        [reasons] = platform.quarantine($name)["_reasons"]
        assert set(reasons) == {"amount.not_null", "amount.typed"}
        assert len(platform.duplicates($name)) == 1
''')
_OF_TEST = (
    "from decimal import Decimal",
    "from pathlib import Path",
    "from data_platform.testing import platform_with",
)


@dataclass(frozen=True)
class NewTable:
    """`files` to write by path, and those `shared` with other tables, which may exist already;
    `tables` are the names of those that they declare."""

    files: Mapping[Path, str]
    shared: Mapping[Path, str]
    tables: tuple[str, ...]

    def write(self, declared: Container[str] = ()) -> list[Path]:
        """Write the files; returns their paths. Raises LakeError, and writes nothing, if one of
        `files` exists already, or one of the tables is among those `declared`."""
        if there := [path for path in self.files if path.exists()]:
            raise LakeError(
                f"{there[0]} is there already, and nothing was written; choose another name, or "
                "remove what is there"
            )
        if taken := [name for name in self.tables if name in declared]:
            raise LakeError(
                f"{taken[0]} is declared already, and nothing was written; choose another name"
            )
        asked = {p: t for p, t in self.shared.items() if not p.exists()} | dict(self.files)
        written: list[Path] = []
        try:
            for path, text in asked.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("x", encoding="utf-8") as file:
                    written.append(path)
                    file.write(text)
        except OSError:
            for path in written:  # half a table would be discovered, and block a second try
                path.unlink()
            raise
        return written


def files_of(
    text: str, *, package: str, folder: Path, tests: Path | None, today: dt.date
) -> NewTable:
    """The files of the table `domain/name` in a package of domains, which is in `folder`. The test
    goes to the folder `tests`, or, if that is None, to `tests/` beside the package.

    Raises NotThere for an invalid table name.
    """
    table, own = _table(text), tests is not None
    top = folder.parents[package.count(".")]
    module = f"{package}.{table.domain}"
    names = {
        "domain": table.domain,
        "name": table.name,
        "model": _model(table.name),
        "standard": "\n".join(_OF_TEST[:2]),
        "year": str(today.year - 1),  # a year that is over
    }

    def filled(template: Template, *imports: str) -> str:
        first_party = {"data_platform"} if own else {package.partition(".")[0]}
        return template.substitute(names, imports=_sorted(imports, first_party))

    test = f"from {module}.{table.name} import {', '.join(sorted((table.name, 'received')))}"
    code = filled(TABLE, *_OF_TABLE, f"from {module}.partitions import daily")
    tested = filled(TEST, test, _OF_TEST[-1])
    domain = folder / table.domain
    shared = {domain / "__init__.py": "", domain / "partitions.py": filled(PARTITIONS)}
    if tests is None:
        shared[folder / "__init__.py"] = ""
        file = top / "tests" / f"test_{table.domain}_{table.name}.py"
    else:
        file = tests / table.domain / f"test_{table.name}.py"
        shared[file.with_name("__init__.py")] = ""
    tables = (str(table.sibling("bronze")), str(table))
    return NewTable({domain / f"{table.name}.py": code, file: tested}, shared, tables)


def _table(text: str) -> TableId:
    try:
        table = TableId.parse(f"silver/{text}")
    except ValueError:
        table = None
    if table is None or any(map(keyword.iskeyword, table.path)):
        raise NotThere(
            f"{text!r} is not a name for a new table; write domain/name in lower case letters, "
            "digits and _, each beginning with a letter and no keyword of Python, as in shop/orders"
        )
    if taken := {table.name, _model(table.name)} & _names_used():
        raise NotThere(
            f"{text!r} cannot be a new table: its module uses the name {min(taken)!r} for "
            "something else; choose another"
        )
    return table


def _model(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


def _names_used() -> set[str]:
    """The names that a table's files define or import, besides the table and its model."""
    imported = [line.rpartition(" import ")[2] for line in (*_OF_TABLE, *_OF_TEST)]
    bound = {part.split(" as ")[-1].strip() for names in imported for part in names.split(",")}
    assigned = re.findall(r"^([A-Za-z]+) = ", TABLE.template + TEST.template, re.MULTILINE)
    return {*bound, *assigned, "pa", "daily", "partitions", "platform", "published", "reasons"}


def _sorted(imports: Iterable[str], first_party: set[str]) -> str:
    """The imports in two sections, as ruff sorts them: third party, first party."""
    found: tuple[list[str], list[str]] = ([], [])
    for line in imports:
        top = line.split()[1].partition(".")[0]
        found[top in first_party].append(line)
    sections = ("\n".join(sorted(lines, key=_order)) for lines in found)
    return "\n\n".join(filter(None, sections))


def _order(line: str) -> tuple[bool, str, str]:
    kind, module, *rest = line.split()
    return kind == "from", module, " ".join(rest).lower()
