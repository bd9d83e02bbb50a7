"""Every command, on a home with a month of the shop in it."""

import fcntl
import os
import subprocess
import sys
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
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.settings.model import CHECKOUT
from data_platform.tables.identity import TableId
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
    csv,
    key_of,
    shop_lines,
)
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.places import A_BUCKET

SHOP_PLACES = A_BUCKET
LEFT = 3  # exit code: something is left for a person, and the shop has unreadable files


def _day(shop: LoadedShop) -> str:
    """A day whose files and rows no test changes."""
    return str(shop.day(1))


def test_tables_lists_every_table_with_its_figures(run: Run, shop: LoadedShop) -> None:
    found = {row["table"]: row for row in parsed(run("tables", "--json"))}

    assert set(found) == {
        *(BRONZE, SILVER, SALES, DEMAND, SEGMENTS),
        *(f"{layer}/retail/order_lines" for layer in ("quarantine", "duplicates")),
    }
    counts = shop.home.counts(SILVER)
    row = found[SILVER]
    assert (row["rows"], row["partitions"]) == (sum(counts.values()), len(counts))
    assert row["bytes"] > 0 and row["run"] and row["committed"]
    assert SILVER in run("tables").output


def test_show_gives_rows_of_a_partition(run: Run, shop: LoadedShop) -> None:
    rows = parsed(run("show", SILVER, "--partition", _day(shop), "--limit", 3, "--json"))

    assert len(rows) == 3
    assert {row["day"] for row in rows} == {_day(shop)}
    assert "invoice_no" in run("show", SILVER).output
    limited = parsed(run("show", SILVER, "--json"))
    assert len(limited) == 20


def test_show_at_a_snapshot_gives_the_rows_of_then(run: Run, shop: LoadedShop) -> None:
    first = parsed(run("history", SILVER, "--json"))[-1]["snapshot"]
    rows = parsed(run("show", SILVER, "--at", first, "--limit", 10**6, "--json"))

    assert len(rows) == shop.manifest.published


def test_export_writes_one_parquet_file(run: Run, shop: LoadedShop, tmp_path: Path) -> None:
    day, file = _day(shop), tmp_path / "lines.parquet"

    said = run("export", SILVER, file, "--partition", day).output

    assert pq.read_table(file).num_rows == shop.home.counts(SILVER)[day]
    assert f"{shop.home.counts(SILVER)[day]:,} rows" in said
    run("export", SALES, file, "--force")
    assert pq.read_table(file).num_rows == sum(shop.home.counts(SALES).values())
    assert [path.name for path in tmp_path.iterdir()] == ["lines.parquet"]


def test_history_names_the_runs_newest_first(run: Run, shop: LoadedShop) -> None:
    found = parsed(run("history", SILVER, "--json"))

    assert found[0]["current"] and not any(row["current"] for row in found[1:])
    assert found[-1]["run"] == shop.ran[0].run_id
    assert found[-1]["partitions"] == len(shop.versions[SILVER])
    assert found[-1]["total_rows"] == shop.manifest.published
    assert str(found[0]["snapshot"]) in run("history", SILVER).output


def test_an_export_replaces_no_file_unless_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "sales.parquet"
    file.write_bytes(b"mine")

    assert "--force replaces it" in run("export", SALES, file, code=2).output
    assert file.read_bytes() == b"mine"
    run("export", SALES, file, "--force")
    assert pq.read_table(file).num_rows
    named = run("export", SALES, tmp_path / "sales.csv", code=2).output
    assert f"name it {tmp_path / 'sales.parquet'}" in " ".join(named.split())


def test_landing_lists_what_could_not_be_read_with_its_error(run: Run, shop: LoadedShop) -> None:
    found = parsed(run("landing", "--json"))

    listed = {row["key"]: row for row in found["objects"]}
    assert set(shop.manifest.failed) | set(shop.manifest.unknown) <= set(listed)
    assert {listed[key]["state"] for key in shop.manifest.unknown} == {"unknown"}
    assert all(listed[key]["cause"] for key in shop.manifest.unknown)
    assert all(row["error"] for row in listed.values())
    assert found["states"]["failed"] >= len(shop.manifest.failed)
    assert shop.manifest.failed[0] in run("landing").output


def test_run_loads_what_landed_and_then_finds_nothing_to_do(run: Run, shop: LoadedShop) -> None:
    day = "2011-07-05"
    shop.home.land(key_of(day), csv(shop_lines(day, 2)))

    said = run("run", code=LEFT).output

    assert f"the sensors ask for a run of retail_daily, {day} to {day}" in said
    assert "of retail_monthly: done" in said
    assert shop.home.counts(SALES)[day] == 1
    again = run("run", code=LEFT).output
    assert "no run was needed" in again
    said = " ".join(again.split())
    failed = shop.home.platform.ledger.failed()
    assert f"{len(failed)} landed objects could not be read, as {failed[0].key}: " in said
    assert "1 landed object of no source, as " in said
    assert "data-platform landing --reopen KEY" in said and "data-platform held" in said


def test_a_run_that_waits_for_another_says_so(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    prepare_home(settings)
    with (settings.home / "driver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = subprocess.Popen(
            [sys.executable, "-c", "from data_platform.cli.main import main; main(['run'])"],
            env={**os.environ, "DATA_PLATFORM_HOME": str(tmp_path)},
            cwd=CHECKOUT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert started.stderr
        assert "goes on after it" in started.stderr.readline()
    assert "no run was needed" in started.communicate(timeout=120)[0]
    assert started.returncode == 0


def test_a_failed_object_is_tried_again_when_it_is_reopened(run: Run, shop: LoadedShop) -> None:
    """As it should be once its cause, outside its bytes, is fixed."""
    key = shop.manifest.failed[0]

    assert "waits to be loaded" in run("landing", "--reopen", key).output

    assert parsed(run("landing", "--json"))["states"]["pending"] == 1
    run("run", code=LEFT)
    assert parsed(run("landing", "--json"))["states"]["pending"] == 0
    assert key in {row["key"] for row in parsed(run("landing", "--json"))["objects"]}
    assert f"did you mean {key}" in run("landing", "--reopen", f"{key}x", code=2).output


def test_several_failed_objects_are_reopened_by_name_or_all_of_them(
    run: Run, shop: LoadedShop
) -> None:
    failed = sorted(entry.key for entry in shop.home.platform.ledger.failed())
    assert set(failed) >= set(shop.manifest.failed) and len(failed) > 1

    wrong = run("landing", "--reopen", failed[0], "--reopen", "nothing", code=2).output
    assert "no failed object 'nothing'" in wrong
    assert parsed(run("landing", "--json"))["states"]["pending"] == 0  # none of them then

    first, second = (f"--reopen={key}" for key in failed[:2])
    assert parsed(run("landing", first, second, "--json")) == {"reopened": failed[:2]}
    run("run", code=LEFT)
    assert parsed(run("landing", "--reopen-all", "--json")) == {"reopened": failed}
    assert "no object failed" in run("landing", "--reopen-all").output
    run("run", code=LEFT)
    assert parsed(run("landing", "--json"))["states"]["failed"] == len(failed)


@pytest.mark.parametrize("table", [BRONZE, "quarantine/retail/order_lines"])
def test_a_table_that_rejects_nothing_has_no_quarantine(run: Run, table: str) -> None:
    said = run("quarantine", table, code=1).output

    assert f"{table} has no quarantine" in said
    assert f"judged in {SILVER}" in said


def test_quarantine_counts_the_reasons_and_then_lists_rows(run: Run, shop: LoadedShop) -> None:
    day = _day(shop)
    found = parsed(run("quarantine", SILVER, "--partition", day, "--limit", 1, "--json"))

    expected = shop.manifest.days[shop.day(1)].quarantined
    assert expected and sum(row["rows"] for row in found["reasons"]) >= expected
    [row] = found["rows"]
    assert row["day"] == day and row["_reasons"] and row["InvoiceNo"] is not None
    assert not any(row["held_back"] for row in found["reasons"])
    assert found["reasons"][0]["reason"] in run("quarantine", SILVER).output


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
    assert "_retail.order_lines: it is partitioned by day" in output
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


def test_expire_and_clean_leave_what_is_young(run: Run, shop: LoadedShop) -> None:
    before = shop.home.versions()

    assert parsed(run("expire", "--json")) == []
    assert parsed(run("clean", "--dry-run", "--json")) == []
    assert parsed(run("clean", "--json")) == []
    assert shop.home.versions() == before


def test_clean_lists_orphans_and_deletes_them_after_their_grace(run: Run, shop: LoadedShop) -> None:
    home = shop.home
    half = f"{home.settings.warehouse_uri}/{SILVER}/data/killed/part.parquet"
    home.place.write(half, b"half a file")

    listed = parsed(run("clean", "--dry-run", "--grace-hours", 0, "--json"))

    assert [row for row in listed if row["file"].endswith("killed/part.parquet")]
    assert home.place.read(half)
    run("clean", "--grace-hours", 0)
    assert half not in home.place.files("/warehouse")
    assert parsed(run("clean", "--dry-run", "--grace-hours", 0, "--json")) == []
    assert sum(shop.home.counts(SILVER).values()) == shop.home.read(SILVER).num_rows


def test_replay_judges_quarantined_rows_again(run: Run, shop: LoadedShop) -> None:
    day = _day(shop)
    before = shop.home.counts(SILVER)[day]

    said = run("quarantine", "replay", SILVER, "--partition", day).output

    assert "judging 1 partition again" in said
    assert "still quarantined" in said  # the contract is the same
    assert shop.home.counts(SILVER)[day] == before


@pytest.mark.parametrize(
    ("typed", "code", "why"),
    [
        (("gold/retail/nothing",), 2, "no table 'gold/retail/nothing'; there are: bronze/retail"),
        ((SILVER, "--partition", "March"), 2, "is not a partition of silver_retail.order_lines"),
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
