"""How `data-platform run` ends, by what is left; and what it builds of one table."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.cli.main import main
from data_platform.runs import in_process as drive
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import BRONZE, SALES, SILVER, csv, key_of, shop_lines
from data_platform_tests.support.loaded_shop import LoadedShop

LEFT = 3  # exit code: the shop has unreadable files


def test_a_table_that_is_never_up_to_date_is_named_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "shop_daily is asked for again; it is left"

    def in_circles(*_: object, circles: Callable[[str], object], **__: object) -> Iterator:
        circles(text)
        yield from ()

    monkeypatch.setattr(drive, "run_until_quiet", in_circles)
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(tmp_path / "home"))

    ended = CliRunner().invoke(main, ["run"])

    assert ended.exit_code == 3, ended.output
    assert text in ended.output


def test_a_dry_run_says_what_it_would_take_and_builds_nothing(run: Run, shop: LoadedShop) -> None:
    home, first, last = shop.home, str(shop.day(1)), str(shop.day(3))
    before, runs = home.versions(), home.instance.get_runs_count()

    span = ("run", SILVER, "--range", f"{first}..{last}", "--dry-run")
    [asked] = parsed(run(*span, "--json"))

    days = [day for day in home.counts(BRONZE) if first <= day <= last]
    assert (asked["partitions"], asked["first"], asked["last"]) == (len(days), first, last)
    files = home.platform.lake.load(home.tables[0].id).inspect.files().to_pylist()
    sizes = {f["partition"]["day"].isoformat(): f["file_size_in_bytes"] for f in files}
    assert asked["input_bytes"] == sum(sizes[day] for day in days)
    assert asked["minutes"] >= 0 and asked["as_a_run_of"] >= 1
    assert f"{asked['input_bytes']:,}" in run(*span).output
    landed = home.place.read(f"{home.settings.landing_uri}/{key_of(first)}")
    [bronze] = parsed(run("run", BRONZE, "--partition", first, "--dry-run", "--json"))
    assert bronze["input_bytes"] >= len(landed)
    assert (home.versions(), home.instance.get_runs_count()) == (before, runs)


def test_a_run_of_one_table_builds_its_partitions_alone_stale_or_not(
    run: Run, shop: LoadedShop
) -> None:
    home, day = shop.home, "2011-06-14"
    home.land(key_of(day), csv(shop_lines(day)))
    before = home.versions()
    size = len(home.place.read(f"{home.settings.landing_uri}/{key_of(day)}"))
    summary = home.platform.ledger.summary()

    for words in (("run",), ("run", BRONZE), ("run", BRONZE, "--partition", day)):
        [asked] = parsed(run(*words, "--dry-run", "--json"))
        assert (asked["table"], asked["partitions"], asked["first"]) == (BRONZE, 1, day)
        assert asked["input_bytes"] == size
    assert parsed(run("run", BRONZE, "--partition", "2011-10-04", "--dry-run", "--json")) == []
    assert home.platform.ledger.summary() == summary

    said = run("run", BRONZE).output

    assert f"left: 1 partition of {SILVER} to build" in said
    changed = home.changed(before)
    assert changed.pop(BRONZE) == {day}
    assert not any(changed.values())
    assert "nothing is stale" in run("run", BRONZE).output
    run("run", code=LEFT)
    assert home.counts(SILVER)[day] == 3

    before = home.versions()
    assert "1 partition built" in run("run", SALES, "--partition", day).output
    changed = home.changed(before)
    assert changed.pop(SALES) == {day}
    assert not any(changed.values())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--partition", "2011-03-04"), "name the TABLE"),
        ((SILVER, "--partition", "2011-03-04", "--range", "a..b"), "say one of them"),
        ((SILVER, "--range", "2011-03-04"), "write it like 2011-03-01..2011-03-04"),
        ((SILVER, "--partition", "2031-03-04"), "is not a partition of"),
        (("silver/retail/orders",), "did you mean"),
        ((SILVER, "--json"), "--json goes with --dry-run"),
    ],
)
def test_a_run_that_is_not_asked_for_right_is_refused(run: Run, arguments, why: str) -> None:
    assert why in " ".join(run("run", *arguments, code=2).output.split())
