"""What commands answer to wrong names, partitions, files and homes, to a no, and to --help."""

import tomllib
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyspark.sql import types as T

from data_platform.cli.main import main
from data_platform.definitions import declared
from data_platform.platform_defs.discovery import Declared
from data_platform.settings.model import CHECKOUT
from data_platform.tables.identity import TableId
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
)
from data_platform_tests.support.loaded_shop import LoadedShop


def test_an_export_replaces_no_file_unless_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "sales.parquet"
    file.write_bytes(b"mine")

    assert "--force replaces it" in run("export", SALES, file, code=2).output
    assert file.read_bytes() == b"mine"
    run("export", SALES, file, "--force")
    assert pq.read_table(file).num_rows
    named = run("export", SALES, tmp_path / "sales.csv", code=2).output
    assert f"name it {tmp_path / 'sales.parquet'}" in " ".join(named.split())


@pytest.mark.parametrize("table", [BRONZE, "quarantine/retail/order_lines"])
def test_a_table_that_rejects_nothing_has_no_quarantine(run: Run, table: str) -> None:
    said = run("quarantine", table, code=1).output

    assert f"{table} has no quarantine" in said
    assert f"judged in {SILVER}" in said


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        (("show", "silver/retail/orderlines"), "did you mean silver/retail/order_lines"),
        (("history", "gold/retail/daily_sale"), "gold/retail/daily_sales"),
        (("quarantine", "silver/retail/order_line"), "silver/retail/order_lines"),
        (("quarantine", "replay", "silver/retail/order_line"), "silver/retail/order_lines"),
        (("rollback", "silver/retail/order_line", "--to", "1"), "silver/retail/order_lines"),
        (("export", "orders/x", "x.parquet"), "there are: bronze/retail/order_lines"),
        (("histroy", SILVER), "did you mean history?"),
        (("tabels",), "did you mean tables"),
        (("quarantine", "replya", SILVER), "did you mean replay?"),
        (("quarantine", "lines"), "there is no table 'lines'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(
    run: Run, typed: tuple[str, ...], nearest: str
) -> None:
    assert nearest in run(*typed, code=2).output


def test_an_ordinary_asset_that_was_never_run_is_answered_with_what_builds_it(
    run: Run, shop: LoadedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(key=["gold", "retail", "returns"])
    def returns() -> None: ...

    found = Declared(declared().tables, (returns,))
    monkeypatch.setattr("data_platform.definitions.declared", lambda: found)

    for command in (("show",), ("drop", "--yes")):
        said = " ".join(run(*command, "gold/retail/returns", code=1).output.split())

        assert "gold/retail/returns is declared, not built yet" in said
        assert f"DAGSTER_HOME={shop.home.settings.dagster_home} dagster asset materialize" in said
        assert "--select gold/retail/returns" in said
    said = " ".join(run("run", "gold/retail/returns", code=2).output.split())
    assert "gold/retail/returns is an ordinary asset, which the sensors do not ask for" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", SILVER, "--partition", "March"),
        ("export", SILVER, "x.parquet", "--partition", "2011-13-01"),
        ("history", SILVER, "--partition", "March"),
        ("quarantine", SILVER, "--partition", "March"),
        ("quarantine", "replay", SILVER, "--partition", "March"),
        ("rollback", SILVER, "--partition", "March", "--to", "{snapshot}"),
    ],
)
def test_a_wrong_partition_is_one_clear_line(run: Run, arguments: tuple[str, ...]) -> None:
    snapshot = parsed(run("history", SILVER, "--json"))[0]["snapshot"]
    typed = [part.format(snapshot=snapshot) for part in arguments]

    output = run(*typed, code=2).output

    assert "is not a partition of " in output
    assert "/retail/order_lines: it is partitioned by day" in output
    assert "Traceback" not in output
    assert not Path("x.parquet").exists()


@pytest.mark.parametrize("command", [("show",), ("export", "x.parquet"), ("history",)])
def test_a_partition_that_the_table_cannot_have_is_answered_with_its_range(
    run: Run, command: tuple[str, ...]
) -> None:
    name, *rest = command

    output = run(name, SILVER, *rest, "--partition", "2031-03-04", code=2).output

    said = " ".join(output.split())
    assert (
        f"'2031-03-04' is not a partition of {SILVER}, whose partitions are 2010-12-01 to " in said
    )
    assert not Path("x.parquet").exists()


def test_a_partition_that_was_not_built_yet_is_said_to_be_so(run: Run) -> None:
    assert "2010-12-25 was never built" in run("show", SILVER, "--partition", "2010-12-25").output


@pytest.mark.parametrize("command", [("run",), ("rollback", "--to", "1"), ("try",)])
def test_a_table_that_is_written_with_another_is_answered_with_that_one(
    run: Run, command: tuple[str, ...]
) -> None:
    name, *rest = command

    said = " ".join(run(name, "quarantine/retail/order_lines", *rest, code=1).output.split())

    assert f"holds rows that {SILVER} rejected, and is written with it; name {SILVER}" in said


@pytest.mark.parametrize(
    "command",
    [("show",), ("export", "{file}"), ("history",), ("quarantine",), ("quarantine", "replay")],
)
def test_a_partition_of_a_table_without_any_is_refused(
    run: Run, shop: LoadedShop, tmp_path: Path, command: tuple[str, ...]
) -> None:
    name = "gold/retail/names"
    schema = T.StructType([T.StructField("name", T.StringType())])
    shop.home.platform.lake.ensure(TableId.parse(name), schema)
    words, rest = [w for w in command if "{" not in w], [w for w in command if "{" in w]
    files = [w.format(file=tmp_path / "x.parquet") for w in rest]

    output = run(*words, name, *files, "--partition", "nonsense", code=2).output

    shop.home.platform.lake.catalog.drop_table(TableId.parse(name).identifier)
    assert f"{name} has no partitions; leave out --partition" in output


def test_an_export_that_cannot_be_written_is_one_clear_line(
    run: Run, shop: LoadedShop, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    output = run("export", SALES, nowhere / "x.parquet", code=1).output

    assert output == f"Error: {nowhere}: there is no such folder\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", SILVER, "--limit", -1),
        ("quarantine", SILVER, "--limit", -1),
        ("clean", "--grace-hours", -1),
    ],
)
def test_a_negative_number_is_refused(run: Run, arguments: tuple[object, ...]) -> None:
    assert "is not in the range x>=0" in run(*arguments, code=2).output


@pytest.mark.parametrize("command", [("show", "--at"), ("rollback", "--to")])
def test_a_wrong_snapshot_is_answered_with_the_newest(run: Run, command: tuple[str, str]) -> None:
    newest = parsed(run("history", SILVER, "--json"))[0]["snapshot"]

    output = run(command[0], SILVER, command[1], 42, code=2).output

    assert "has no snapshot 42" in output
    assert str(newest) in output


def test_a_home_that_is_not_there_says_how_to_make_one(run: Run, tmp_path: Path) -> None:
    output = run("tables", home=tmp_path / "none", code=1).output

    assert "make demo" in output
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("home", "why"),
    [
        ("a file", "a file/landing: Not a directory; DATA_PLATFORM_HOME is"),
        ("a file/below", "a file/below/landing: Not a directory; DATA_PLATFORM_HOME is"),
        ("/sys/home", "/sys/home: "),  # where nobody may make a directory, root neither
    ],
)
def test_a_home_that_cannot_be_made_is_one_line_about_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, why: str
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(tmp_path / home))

    ended = CliRunner().invoke(main, ["run"])

    assert ended.exit_code == 1 and isinstance(ended.exception, SystemExit)
    [said] = ended.output.splitlines()
    assert why in said
    assert said.endswith("name a directory that this user may make and write in")


@pytest.mark.parametrize("there", ["", "landing"])
def test_a_home_is_made_by_a_run_named_from_where_one_stands_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("DATA_PLATFORM_HOME", "H")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "H" / there).mkdir(parents=True)

    ended = CliRunner().invoke(main, ["run"])

    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines() == [
        "nothing new landed and nothing is stale: no run was needed",
        f"nothing has landed yet in file://{tmp_path}/H/landing",
    ]
    assert (tmp_path / "H" / "ledger.db").exists()


@pytest.mark.parametrize(
    ("typed", "code", "why"),
    [
        (("gold/retail/nothing",), 2, "no table 'gold/retail/nothing'; there are: bronze/retail"),
        ((SILVER, "--partition", "March"), 2, "is not a partition of silver/retail/order_lines"),
        (("quarantine/retail/order_lines",), 1, "another table rejected: drop that one"),
    ],
)
def test_what_cannot_be_dropped_is_answered_before_anything_is_asked(
    run: Run, typed: tuple[str, ...], code: int, why: str
) -> None:
    said = run("drop", *typed, code=code).output
    assert why in " ".join(said.split()) and "drop it?" not in said


def test_the_version_is_the_projects(run: Run) -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]

    assert f"data-platform {declared}" in run("--version").output


def test_help_is_a_line_for_each_command(run: Run) -> None:
    output = run("--help").output

    for name in main.commands:
        assert f"  {name} " in output
        assert run(name, "--help").output


def test_nothing_is_dropped_unless_a_person_agrees(run: Run, shop: LoadedShop) -> None:
    day = str(shop.day(1))

    for typed in ("n\n", "\n", ""):  # no, nothing, and nobody there
        said = run("drop", SILVER, "--partition", day, code=1, typed=typed).output
        assert "drop it? [y/N]: " in said and "Aborted!" in said

    assert shop.home.counts(SILVER)[day] == shop.rows[SILVER][day]
