"""The guides for when something is wrong or changed, followed on a small shop, command by command.

Each test has days of its own, so that what one does to the home is nothing to the others.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

from data_platform.cli.main import main
from data_platform.definitions import declared
from data_platform.domains.retail import silver
from data_platform.domains.retail.contracts import OrderLine
from data_platform_tests.support.homes import SILVER, Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.pages import blocks
from data_platform_tests.support.tables import TABLES

GOOD, HELD, TOO = "2011-03-16", "2011-03-17", "2011-03-18"  # too: held back as well
PART, SUMMARY = key_of("2011-03-15", ".part2"), "online_retail/summary-2011-03.csv"
DONE = (0, 3)  # exit codes: 3 says that something else is left for a person

Command = Callable[..., str]


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home_at(tmp_path_factory.mktemp("shop") / "home", TABLES) as home:
        for day in ("2011-03-15", GOOD, HELD, TOO):
            lines = shop_lines(day, 12)
            if day in (HELD, TOO):
                lines[3] = lines[3].replace(",1.25,", ",free,")
            home.land(key_of(day), csv(lines))
        home.land(PART, csv(shop_lines("2011-03-15", 2, first=50))[:-5] + b'"')
        home.land(SUMMARY, b"a summary")
        home.run()
        yield home


@pytest.fixture
def command(home: Home) -> Command:
    """`command("show", TABLE)`: what it prints."""

    def given(*arguments: str) -> str:
        env = {"DATA_PLATFORM_HOME": str(home.settings.home), "COLUMNS": "400"}
        result = CliRunner().invoke(main, arguments, env=env)
        assert result.exit_code in DONE, (arguments, result.output, result.exception)
        return result.output

    return given


def _follow(guide: str, command: Command, **instead: str) -> list[str]:
    """What each command of a guide prints, one after the other; `instead` of words of the page."""
    printed = []
    for block in blocks(f"docs/how-to/{guide}.md"):
        for line in re.findall(r"^\$ \.venv/bin/data-platform (.*)$", block.text, re.MULTILINE):
            printed.append(command(*(instead.get(word, word) for word in shlex.split(line))))
    assert printed
    return printed


def test_a_held_back_day_is_seen_looked_at_and_released(home: Home, command: Command) -> None:
    assert HELD not in home.counts(SILVER)

    held, rows, released, _ = _follow("held-back", command)

    assert HELD in held and "unit_price.typed" in held
    assert "unit_price.typed" in rows and "free" in rows
    assert HELD in released
    assert home.counts(SILVER)[HELD] == 11
    assert home.counts("gold/retail/daily_sales")[HELD] == 1
    assert HELD not in command("held")


def test_an_unreadable_file_is_listed_until_it_is_fixed_or_forgotten(
    home: Home, command: Command
) -> None:
    listed, *_ = _follow("unreadable-file", command)
    assert PART in listed and SUMMARY in listed
    left = json.loads(command("landing", "--json"))["objects"]
    assert [(entry["key"], entry["state"]) for entry in left] == [(PART, "failed")]

    home.land(PART, csv(shop_lines("2011-03-15", 2, first=50)))
    command("run")

    assert json.loads(command("landing", "--json"))["objects"] == []
    assert home.counts(SILVER)["2011-03-15"] == 14


def test_a_day_is_built_again_to_the_same_rows(home: Home, command: Command) -> None:
    before, rows = home.versions(), home.read(SILVER, GOOD)

    dry, *_ = _follow("rebuild", command)

    assert "would build" in dry and SILVER in dry
    changed = home.changed(before)
    assert changed[SILVER] == changed["gold/retail/daily_sales"] == {GOOD}
    assert home.read(SILVER, GOOD).sort_by("_row_number") == rows.sort_by("_row_number")


def test_a_changed_rule_is_applied_to_what_was_held_back(
    home: Home, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = replace(silver.order_lines, contract=replace(OrderLine, quarantine_threshold=0.5))
    assert TOO not in home.counts(SILVER)
    first = json.loads(command("history", SILVER, "--partition", GOOD, "--json"))[-1]["snapshot"]
    with monkeypatch.context() as edited:
        edited.setattr(silver, "order_lines", lenient)
        declared.cache_clear()

        stale, *_ = _follow("changed-rule", command, **{"1234567890123456789": first})

    declared.cache_clear()
    assert GOOD in stale and TOO in stale
    assert home.counts(SILVER)[TOO] == 11


def test_a_notebook_calls_the_functions_of_tables(
    home: Home, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(home.settings.home))
    before = home.versions()
    [tried] = _follow("notebook", command)
    assert "12" in tried
    names: dict[str, object] = {}
    for block in blocks("docs/how-to/notebook.md"):
        if block.language == "python":
            exec(compile(block.text, f"{block.page}:{block.line}", "exec"), names)

    printed = capsys.readouterr().out
    assert "EIRE" in printed and "net_sales" in printed
    assert "12 0 0 would be published" in printed and "unit_price.typed 0" in printed
    assert home.versions() == before


@pytest.fixture(autouse=True)
def _nothing_is_left_declared(tmp_path: Path) -> Iterator[None]:
    yield
    declared.cache_clear()
