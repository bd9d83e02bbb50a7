"""What commands say after files landed in two rounds, each with a run."""

import re
from dataclasses import dataclass

import pytest

from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SALES, SILVER, csv, key_of, shop_lines
from data_platform_tests.support.loaded_shop import LoadedShop

# What a run does in a bucket, `test_cli.py` and `test_pipeline.py` show: the runs take the time.
SHOP_PLACES = ("directory", pytest.param("versitygw", marks=pytest.mark.soak))
LEFT = 3  # exit code: something is left for a person, and the shop has unreadable files

TWICE, ONCE, GONE = "2011-06-21", "2011-06-22", "2011-06-15"
HELD, FAR = "2011-06-23", "2011-07-06"
# Years that other engines lack.
FAR_DATES = [f"{day} 10:00:00" for day in ("20265-01-06", "0000-01-06", "-0044-03-15")]


@dataclass(frozen=True)
class Rounds:
    """What the two runs said."""

    first: str
    second: str


@pytest.fixture(scope="module")
def rounds(run: Run, shop: LoadedShop) -> Rounds:
    """A day that lands twice, one that lands once, one whose file is deleted, one that is held
    back, and one with far dates."""
    home = shop.home
    home.land(key_of(TWICE), csv(shop_lines(TWICE, 2)))
    home.land(key_of(ONCE), csv(shop_lines(ONCE, 1)))
    home.land(key_of(GONE), csv(shop_lines(GONE, 2)))
    cheap = [line.replace(",1.25,", ",cheap,") for line in shop_lines(HELD, 2)]
    home.land(key_of(HELD), csv(cheap))
    first = run("run", code=LEFT).output

    home.land(key_of(TWICE), csv(shop_lines(TWICE, 3)))
    home.unland(key_of(GONE))
    good = shop_lines(FAR, 400)
    far = [shop_lines(FAR, 1, first=900 + n)[0] for n in range(3)]
    far = [line.replace(f"{FAR} 10:{n:02}:00", FAR_DATES[n]) for n, line in enumerate(far)]
    home.land(key_of(FAR), csv([*good, *far, good[0]]))
    return Rounds(first, run("run", code=LEFT).output)


def test_the_history_of_a_partition_has_the_snapshots_that_changed_it(
    run: Run, rounds: Rounds
) -> None:
    found = parsed(run("history", SILVER, "--partition", TWICE, "--json"))

    assert [row["rows"] for row in found] == [3, 2]
    assert len({row["version"] for row in found}) == 2
    (once,) = parsed(run("history", SILVER, "--partition", ONCE, "--json"))
    assert once["snapshot"] == found[-1]["snapshot"]  # one run built both days


def test_landing_lists_what_is_gone_while_bronze_has_its_rows(run: Run, rounds: Rounds) -> None:
    vanished = parsed(run("landing", "--json", "--check", code=LEFT))["vanished"]
    [gone] = [entry for entry in vanished if entry["key"] == key_of(GONE)]

    assert (gone["partition"], gone["rows"]) == (GONE, 2)
    assert gone["gone_since"].endswith("+00:00")
    assert "bronze keeps their rows" in run("landing").output


def test_run_says_which_day_is_held_back_and_why(rounds: Rounds) -> None:
    assert "of retail_daily: held back" in rounds.first
    assert f"{HELD}: rules: 2 of 2 rows quarantined" in rounds.first
    assert "partitions held back, as " in rounds.first


def test_a_run_of_one_table_says_what_an_earlier_run_held_back_as_its_exit_code_does(
    run: Run, rounds: Rounds
) -> None:
    said = run("run", SILVER, code=LEFT).output

    assert "nothing is stale" in said
    assert "partitions held back, as " in said
    assert f"data-platform quarantine {SILVER} --partition " in said
    assert "nothing is stale" in run("run", SALES).output


def test_a_replay_of_what_is_held_back_again_says_so_with_the_reasons(
    run: Run, rounds: Rounds
) -> None:
    [held] = [
        row for row in parsed(run("held", "--json", "--check", code=3)) if row["partition"] == HELD
    ]
    assert held["since"].endswith("+00:00")
    assert (held["table"], held["why"][:6]) == (SILVER, "rules:")

    said = run("quarantine", "replay", SILVER, "--partition", HELD, code=LEFT).output

    assert f"{HELD}: rules: " in said
    assert "of retail_daily: held back" in said


def test_dates_that_other_engines_lack_are_quarantined_with_row_and_column_and_the_day_published(
    run: Run, shop: LoadedShop, rounds: Rounds
) -> None:
    line = f"{SILVER}: 2 partitions published, 403 rows, 3 quarantined, 1 duplicate"
    assert f"  {line}\n" in rounds.second
    assert shop.home.counts(SILVER)[FAR] == 400 and shop.home.counts(SALES)[FAR] == 1
    found = parsed(run("quarantine", SILVER, "--partition", FAR, "--json"))
    rows = sorted(found["rows"], key=lambda row: row["_row_number"])
    assert [row["InvoiceDate"] for row in rows] == FAR_DATES
    assert [row["_row_number"] for row in rows] == [401, 402, 403]
    assert all("invoiced_at.typed" in row["_reasons"] for row in rows)


def test_the_status_counts_what_the_other_commands_list(run: Run, rounds: Rounds) -> None:
    found = parsed(run("status", "--json"))

    tables = {row["table"]: row for row in found["tables"]}
    held = parsed(run("held", "--json"))
    assert tables[SILVER]["held"] == sum(row["table"] == SILVER for row in held) > 0
    assert [row["stale"] for row in tables.values()] == [0] * len(tables)
    pages = {row["table"]: row for row in parsed(run("tables", "--json"))}
    assert tables[SALES]["published"] == pages[SALES]["partitions"] > 0
    assert found["objects"] == parsed(run("landing", "--json"))["states"]
    assert (found["runs_at_work"], found["failed_runs"]) == ([], [])
    assert found["runs_waiting"] == {"runs": 0, "since": None}


def test_the_status_says_what_is_left_for_a_person(run: Run, rounds: Rounds) -> None:
    said = run("status", "--check", code=LEFT).output

    row = next(line for line in said.splitlines() if SILVER in line)  # the tables come first
    held = [each for each in parsed(run("held", "--json")) if each["table"] == SILVER]
    assert str(len(held)) in re.findall(r"[\d,]+", row)
    assert "runs at work: none" in said
    assert "data-platform held: which, since when and why" in said
