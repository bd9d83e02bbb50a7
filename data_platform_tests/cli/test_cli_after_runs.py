"""What commands say after files landed on days of their own and were loaded."""

import pytest

from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SALES, SILVER, csv, key_of, shop_lines
from data_platform_tests.support.loaded_shop import LoadedShop

# What a run does in a bucket, `test_cli.py` and `test_pipeline.py` show: the runs take the time.
SHOP_PLACES = ("directory", pytest.param("versitygw", marks=pytest.mark.soak))
LEFT = 3  # exit code: something is left for a person, and the shop has unreadable files


def test_the_history_of_a_partition_has_the_snapshots_that_changed_it(
    run: Run, shop: LoadedShop
) -> None:
    day, other = "2011-06-21", "2011-06-22"
    for number in (2, 3):
        shop.home.land(key_of(day), csv(shop_lines(day, number)))
        if number == 2:
            shop.home.land(key_of(other), csv(shop_lines(other, 1)))
        run("run", code=LEFT)

    found = parsed(run("history", SILVER, "--partition", day, "--json"))

    assert [row["rows"] for row in found] == [3, 2]
    assert len({row["version"] for row in found}) == 2
    (once,) = parsed(run("history", SILVER, "--partition", other, "--json"))
    assert once["snapshot"] == found[-1]["snapshot"]  # one run built both days


def test_landing_lists_what_is_gone_while_bronze_has_its_rows(run: Run, shop: LoadedShop) -> None:
    day = "2011-06-15"
    shop.home.land(key_of(day), csv(shop_lines(day, 2)))
    run("run", code=LEFT)
    shop.home.unland(key_of(day))
    run("run", code=LEFT)

    [gone] = parsed(run("landing", "--json", "--check", code=LEFT))["vanished"]

    assert (gone["key"], gone["partition"], gone["rows"]) == (key_of(day), day, 2)
    assert gone["gone_since"].endswith("+00:00")
    assert "bronze keeps their rows" in run("landing").output


def test_run_says_which_day_is_held_back_and_why(run: Run, shop: LoadedShop) -> None:
    day = "2011-06-23"
    bad = [line.replace(",1.25,", ",cheap,") for line in shop_lines(day, 2)]
    shop.home.land(key_of(day), csv(bad))

    said = run("run", code=LEFT).output

    assert "of retail_daily: held back" in said
    assert f"{day}: rules: 2 of 2 rows quarantined" in said
    assert "partitions held back, as " in said


def test_a_replay_of_what_is_held_back_again_says_so_with_the_reasons(
    run: Run, shop: LoadedShop
) -> None:
    day = "2011-06-28"
    shop.home.land(key_of(day), csv([line.replace(",1.25,", ",?,") for line in shop_lines(day)]))
    shop.home.run()
    [held] = [
        row for row in parsed(run("held", "--json", "--check", code=3)) if row["partition"] == day
    ]
    assert held["since"].endswith("+00:00")
    assert (held["table"], held["why"][:6]) == (SILVER, "rules:")

    said = run("quarantine", "replay", SILVER, "--partition", day, code=LEFT).output

    assert f"{day}: rules: " in said
    assert "of retail_daily: held back" in said


def test_dates_that_other_engines_lack_are_quarantined_with_row_and_column_and_the_day_published(
    run: Run, shop: LoadedShop
) -> None:
    day, good = "2011-07-06", shop_lines("2011-07-06", 400)
    dates = [f"{far} 10:00:00" for far in ("20265-01-06", "0000-01-06", "-0044-03-15")]
    far = [shop_lines(day, 1, first=900 + n)[0] for n in range(3)]
    far = [line.replace(f"{day} 10:{n:02}:00", dates[n]) for n, line in enumerate(far)]
    shop.home.land(key_of(day), csv([*good, *far, good[0]]))
    said = run("run", code=LEFT).output

    line = f"{SILVER}: 1 partition published, 400 rows, 3 quarantined, 1 duplicate"
    assert f"  {line}\n" in said
    assert shop.home.counts(SILVER)[day] == 400 and shop.home.counts(SALES)[day] == 1
    found = parsed(run("quarantine", SILVER, "--partition", day, "--json"))
    rows = sorted(found["rows"], key=lambda row: row["_row_number"])
    assert [row["InvoiceDate"] for row in rows] == dates
    assert [row["_row_number"] for row in rows] == [401, 402, 403]
    assert all("invoiced_at.typed" in row["_reasons"] for row in rows)
