"""Every command, on a home with a month of the shop in it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.settings.model import CHECKOUT
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


def test_quarantine_counts_the_reasons_and_then_lists_rows(run: Run, shop: LoadedShop) -> None:
    day = _day(shop)
    found = parsed(run("quarantine", SILVER, "--partition", day, "--limit", 1, "--json"))

    expected = shop.manifest.days[shop.day(1)].quarantined
    assert expected and sum(row["rows"] for row in found["reasons"]) >= expected
    [row] = found["rows"]
    assert row["day"] == day and row["_reasons"] and row["InvoiceNo"] is not None
    assert not any(row["held_back"] for row in found["reasons"])
    assert found["reasons"][0]["reason"] in run("quarantine", SILVER).output


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
    days = shop.manifest.days.items()
    # The last: the fewest days after it are built again.
    *_, day = (str(day) for day, of in days if of.quarantined and not of.held_back)
    before = shop.home.counts(SILVER)[day]

    said = run("quarantine", "replay", SILVER, "--partition", day).output

    assert "judging 1 partition again" in said
    assert "still quarantined" in said  # the contract is the same
    assert shop.home.counts(SILVER)[day] == before
