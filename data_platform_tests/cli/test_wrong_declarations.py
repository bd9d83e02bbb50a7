"""What every command says of declarations that cannot work."""

import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

import data_platform
from data_platform.cli.main import main
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at

DEFINITIONS = Path(data_platform.__path__[0]) / "definitions.py"
TABLE = "silver/retail/order_lines"
ACCOUNT = ("--account", "123456789012")
# By command: what it is called with.
ASKING: dict[tuple[str, ...], tuple[str, ...]] = {
    ("show",): (TABLE,),
    ("export",): (TABLE, "lines.parquet"),
    ("history",): (TABLE,),
    ("run",): (),
    ("stale",): (),
    ("held",): (),
    ("quarantine", "list"): (TABLE,),
    ("quarantine", "replay"): (TABLE,),
    ("rollback",): (TABLE, "--to", "1"),
    ("release",): (TABLE, "--reason", "seen"),
    ("drop",): (TABLE, "--yes"),
    ("buckets", "plan"): (),
    ("buckets", "apply"): (),
    ("buckets", "audit"): (),
    ("policies", "show"): ("serve", *ACCOUNT),
    ("policies", "write"): ("policies", *ACCOUNT),
    ("policies", "exceptions"): ACCOUNT,
}
WITHOUT = {("tables",), ("sql",), ("landing",), ("expire",), ("clean",), ("policies", "trust")}
WRONG = {
    "a table without a name": (
        "from data_platform.tables.identity import TableId\nTableId.parse('lines')",
        "2: 'lines' is no table name: write it layer/domain/name",
    ),
    "a contract that cannot be": (
        "from data_platform.contracts.errors import ContractError\n\n"
        "raise ContractError('its key is no column', table='silver/shop/lines')",
        "3: contract silver/shop/lines: its key is no column",
    ),
    "a name that is not there": ("TABLES = (retail_bronze,)", "1: NameError: name 'retail_bronze'"),
    "a module that is not there": ("import data_platform.domains.shop", "1: ModuleNotFoundError: "),
    "no Python": ("TABLES = (\n", "1: '(' was never closed"),
    "definitions that Dagster refuses": (
        "import dagster as dg\nTABLES = OTHERS = ()\n\ndef defs():\n    dg.AssetKey(7)",
        "5: ParameterCheckError: ",
    ),
}


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name)


class Declaring(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """`definitions.py` with another source."""

    def __init__(self, source: str) -> None:
        self.source = source

    def find_spec(self, fullname: str, *_: object):  # type: ignore[override]
        if fullname == "data_platform.definitions":
            return importlib.util.spec_from_loader(fullname, self)
        return None

    def get_source(self, fullname: str) -> str:
        return self.source

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, str(DEFINITIONS), "exec"), module.__dict__)


@pytest.fixture
def declaring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Has the code declare what a source says, in a home that is there."""
    prepare_home(settings_at(tmp_path / "home"))
    for name, value in (
        ("HOME", str(tmp_path / "home")),
        ("PROJECT", "acme"),
        ("AWS_REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(f"DATA_PLATFORM_{name}", value)
    monkeypatch.chdir(tmp_path)

    def declare(source: str) -> None:
        monkeypatch.delitem(sys.modules, "data_platform.definitions", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Declaring(source), *sys.meta_path])

    return declare


def test_every_command_is_known_to_need_the_declarations_or_not_to() -> None:
    assert {*commands(main)} == {*ASKING, *WITHOUT}


@pytest.mark.parametrize("wrong", WRONG)
def test_each_command_says_where_a_declaration_is_wrong_and_what_in_one_line(
    declaring, wrong: str
) -> None:
    source, why = WRONG[wrong]
    declaring(source)
    for command, arguments in ASKING.items():
        if command[0] in ("buckets", "policies") and "def defs" in source:
            continue  # these ask for the tables alone
        ended = CliRunner().invoke(main, [*command, *arguments])

        assert isinstance(ended.exception, SystemExit), (command, ended.exception)
        assert ended.exit_code == 1, (command, ended.output)
        *_, said = ended.output.splitlines()
        assert said.startswith(f"Error: {DEFINITIONS}:{why}"), (command, ended.output)


def test_a_setting_that_is_wrong_is_no_declarations_fault(
    declaring, monkeypatch: pytest.MonkeyPatch
) -> None:
    declaring(
        "TABLES = OTHERS = ()\n\ndef defs():\n"
        "    from data_platform.settings.values import SettingsError\n"
        "    raise SettingsError('no region')"
    )
    assert CliRunner().invoke(main, ["stale"]).output == "Error: no region\n"
