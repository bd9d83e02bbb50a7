"""What every command, and Dagster, says of declarations that cannot work."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from dagster._utils.error import serializable_error_info_from_exc_info

from data_platform.cli.main import main
from data_platform.definitions import declared, defs
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome

REFUSED = "tables that cannot be together"
TABLE = "silver/retail/order_lines"
ACCOUNT = ("--account", "123456789012")
# By command: what it is called with.
ASKING: dict[tuple[str, ...], tuple[str, ...]] = {
    ("show",): (TABLE,),
    ("export",): (TABLE, "lines.parquet"),
    ("history",): (TABLE,),
    ("run",): (),
    ("try",): (TABLE, "--partition", "2011-03-04"),
    ("shell",): (),
    ("status",): (),
    ("metrics",): (),
    ("freshness",): (),
    ("lineage",): (TABLE,),
    ("site",): ("site",),
    ("stale",): (),
    ("held",): (),
    ("quarantine", "list"): (TABLE,),
    ("quarantine", "replay"): (TABLE,),
    ("rollback",): (TABLE, "--to", "1"),
    ("release",): (TABLE, "--reason", "seen"),
    ("drop",): (TABLE, "--yes"),
    ("environment", "diff"): ("pr_42",),
    ("environment", "promote"): ("pr_42",),
    ("buckets", "plan"): (),
    ("buckets", "apply"): (),
    ("buckets", "audit"): (),
    ("policies", "show"): ("serve", *ACCOUNT),
    ("policies", "write"): ("policies", *ACCOUNT),
    ("policies", "exceptions"): ACCOUNT,
}
WITHOUT = {("tables",), ("sql",), ("landing",), ("expire",), ("clean",), ("policies", "trust")}
WITHOUT |= {("environment", name) for name in ("create", "list", "drop")}
# `doctor` examines them with the rest
WITHOUT |= {("doctor",), ("settings",), ("new",), ("package",), ("migrate",)}
WITHOUT |= {("audit-log",), ("find",), ("incidents", "acknowledge")}
WITHOUT |= {("backup",), ("restore",), ("relocate",)}
WRONG = {
    "a table without a name": (
        "from data_platform.tables.identity import TableId\nTableId.parse('lines')",
        "{file}:2: 'lines' is not a table name: write it layer/domain/name",
    ),
    "a contract that cannot be": (
        "from data_platform.contracts.errors import ContractError\n\n"
        "raise ContractError('its key is no column', table='silver/shop/lines')",
        "{file}:3: contract silver/shop/lines: its key is no column",
    ),
    "a name that is not there": ("TABLES = (bronze,)", "{file}:1: NameError: name 'bronze'"),
    "a module that is not there": (
        "import data_platform.domains.shop",
        "{file}:1: ModuleNotFoundError: ",
    ),
    "no Python": ("TABLES = (\n", "{file}:1: '(' was never closed"),
    REFUSED: (
        "from dataclasses import replace\n"
        "from data_platform.domains.retail.bronze import order_lines\n"
        "again = replace(order_lines)",
        "bronze/retail/order_lines: two tables are declared by this name",
    ),
}


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name)


@pytest.fixture
def declaring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Has a package of its own declare what a source says, in a home that is there; the file."""
    prepare_home(settings_at(tmp_path / "home"))
    for name, value in (
        ("HOME", str(tmp_path / "home")),
        ("PROJECT", "acme"),
        ("AWS_REGION", "eu-west-1"),
        ("DOMAINS", "wrongly_declared"),
    ):
        monkeypatch.setenv(f"DATA_PLATFORM_{name}", value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "wrongly_declared" / "tables.py"
    file.parent.mkdir()

    def declare(source: str) -> Path:
        file.write_text(source)
        return file

    declared.cache_clear()
    yield declare
    declared.cache_clear()
    for name in [name for name in sys.modules if name.startswith("wrongly_declared")]:
        del sys.modules[name]


def test_every_command_is_known_to_need_the_declarations_or_not_to() -> None:
    assert {*commands(main)} == {*ASKING, *WITHOUT}


@pytest.mark.parametrize("wrong", WRONG)
def test_each_command_says_where_a_declaration_is_wrong_and_what_in_one_line(
    declaring, wrong: str
) -> None:
    source, why = WRONG[wrong]
    file = declaring(source)
    for command, arguments in ASKING.items():
        if command[0] in ("buckets", "policies") and wrong == REFUSED:
            continue  # these ask for the tables alone
        ended = CliRunner().invoke(main, [*command, *arguments])

        assert isinstance(ended.exception, SystemExit), (command, ended.exception)
        assert ended.exit_code == 1, (command, ended.output)
        *_, said = ended.output.splitlines()
        assert said.startswith(f"Error: {why.format(file=file)}"), (command, ended.output)


@pytest.mark.parametrize("wrong", WRONG)
def test_dagster_shows_the_same_first_when_it_loads_them(declaring, wrong: str) -> None:
    source, why = WRONG[wrong]
    file = declaring(source)
    try:
        defs()
    except Exception:
        shown = serializable_error_info_from_exc_info(sys.exc_info()).to_string()

    name, _, said = shown.partition(": ")
    assert name == "data_platform.contracts.errors.DeclarationError"
    assert said.startswith(why.format(file=file))
    of_code = wrong in ("a name that is not there", "a module that is not there")
    assert ("The above exception was caused by" in shown) is of_code


def test_a_partition_that_was_never_built_is_said_to_be_so_without_the_declarations(
    declaring, tmp_path: Path
) -> None:
    home = LakeHome(tmp_path / "home")
    home.make()
    home.write({MONDAY: [1]})
    declaring("TABLES = (\n")

    ended = CliRunner().invoke(main, ["show", str(SALES), "--partition", TUESDAY])

    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines() == [f"{SALES}: 0 rows", f"{TUESDAY} was never built"]


def test_a_setting_that_is_wrong_is_no_declarations_fault(
    declaring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_DOMAINS", "no-package")

    ended = CliRunner().invoke(main, ["stale"])

    said = " ".join(ended.output.split())
    assert said.startswith("Error: DATA_PLATFORM_DOMAINS has 'no-package'"), ended.output


def test_a_package_that_is_not_there_is_named(declaring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_DOMAINS", "acme_tables")

    assert "No module named 'acme_tables'" in CliRunner().invoke(main, ["stale"]).output
