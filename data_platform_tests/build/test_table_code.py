"""Two processes have the same code for a table, or not."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.build.table_code import code_of

TABLES = """
import dagster as dg
import pandera.pyspark as pandera
from pyspark.sql import types as T
from data_platform.assets import gold
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from beans import numbers
from . import words
from .rules.limits import LIMIT

@contract(table="gold/beans/counted", key=("n",), owner="team:beans", version="1")
class Counted(pandera.DataFrameModel):
    '''Numbers.'''
    n: T.LongType = column(description="a number")

@gold(contract=Counted, partitions=None, ins={"numbers": "silver/beans/numbers"})
def counted(numbers):
    '''Numbers.'''
    return numbers.limit(LIMIT)
"""
RECEIVED = """
import dagster as dg
from data_platform.assets import bronze
from data_platform.landing.source import Source
from beans.keys import day
from beans.rules.formats import Lines

received = bronze(
    source=Source(
        name="beans",
        pattern=r"beans/(.+)\\.csv",
        prefix="beans/",
        table="bronze/beans/received",
        format=Lines(columns=("n",)),
        partition=day,
    ),
    partitions=dg.DailyPartitionsDefinition("2026-01-01"),
    owner="team:beans",
    description="Beans.",
)
"""
FILES = {
    "received.py": RECEIVED,
    "keys.py": "def day(text):\n    return text\n",
    "rules/formats.py": """
from data_platform.landing.formats.csv import Csv

class Lines(Csv):
    pass
""",
    "tables.py": TABLES,
    "numbers.py": "MANY = 1\n",
    "words.py": "",
    "rules/limits.py": "from beans.rules.deep import LIMIT\n",
    "rules/deep.py": "LIMIT = 3\n",
    "unrelated.py": "",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / "beans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "beans" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "beans"
    for name in [name for name in sys.modules if name.partition(".")[0] == "beans"]:
        del sys.modules[name]


def test_it_changes_with_whatever_the_tables_module_imports_of_its_package(package: Path) -> None:
    table = importlib.import_module("beans.tables").counted
    codes = [code_of(table)]
    for changed in ("numbers.py", "words.py", "rules/limits.py", "rules/deep.py", "unrelated.py"):
        with (package / changed).open("a") as file:
            file.write("# changed\n")
        codes.append(code_of(table))

    *others, after_unrelated = (code["modules"] for code in codes)
    assert len({*others}) == len(others)
    assert after_unrelated == others[-1]
    assert len({(code["table"], code["platform"]) for code in codes}) == 1


def test_of_a_bronze_table_it_changes_with_its_format_and_its_partitions(package: Path) -> None:
    table = importlib.import_module("beans.received").received
    codes = [code_of(table)["modules"]]
    for changed in ("rules/formats.py", "keys.py", "unrelated.py"):
        with (package / changed).open("a") as file:
            file.write("# changed\n")
        codes.append(code_of(table)["modules"])

    assert len({*codes[:3]}) == 3 and codes[3] == codes[2]
