"""What is tried is not published, and looking changes nothing."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from data_platform.lake.errors import NotThere
from data_platform.operations.exploring import Exploration
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import BRONZE, SALES, SILVER
from data_platform_tests.support.loaded_shop import LoadedShop


def state(home: Path) -> dict[str, str]:
    """Every file of a home by its content; of a database the rows."""
    found = {}
    for file in sorted(each for each in home.rglob("*") if each.is_file()):
        name = str(file.relative_to(home))
        if file.suffix == ".db":
            with sqlite3.connect(file) as connection:
                found[name] = "\n".join(connection.iterdump())
        elif not name.endswith((".db-wal", ".db-shm", ".db-journal")):
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def test_a_trial_says_what_a_build_found_and_writes_nothing(run: Run, shop: LoadedShop) -> None:
    home, day = shop.home, str(shop.day(1))  # whose files no test changes
    rejected = home.read("quarantine/retail/order_lines", day).to_pylist()
    before = state(home.settings.home)

    found = parsed(run("try", SILVER, "--partition", day, "--limit", 3, "--json"))

    assert state(home.settings.home) == before
    [build] = home.platform.builds.latest(home.tables[1].id, [day]).values()
    assert found["published"] == build.rows == home.counts(SILVER)[day]
    assert found["quarantined"] == build.quarantined > 0
    assert found["duplicates"] == build.duplicates
    assert {r["rule"]: r["rows"] for r in found["rules"] if r["rows"]} == build.rules
    assert bool(found["held_back"]) == (build.state == "held_back")
    assert len(found["rows"]) == 3 and found["rows"][0]["day"] == day
    for row in found["rejected"]:
        same = {"InvoiceNo": row["InvoiceNo"], "_reasons": row["_reasons"]}
        assert same in [{name: other[name] for name in same} for other in rejected]
    times = {row["_ingested_at"].isoformat() for row in rejected}
    assert {row["_ingested_at"] for row in found["rejected"]} <= times
    assert {row["_ingested_at"][-6:] for row in found["rows"]} == {"+00:00"}
    said = run("try", SILVER, "--partition", day).output
    assert "tried and not published" in said and "rejected rows" in said


def test_a_gold_function_is_tried_on_what_is_published(run: Run, shop: LoadedShop) -> None:
    day = str(shop.day(1))
    before = state(shop.home.settings.home)

    found = parsed(run("try", SALES, "--partition", day, "--json"))

    assert state(shop.home.settings.home) == before
    assert (found["published"], found["quarantined"]) == (shop.home.counts(SALES)[day], 0)
    assert {rule["rows"] for rule in found["rules"]} == {0}


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((SILVER,), 2, "name one by --partition"),
        ((SILVER, "--partition", "2031-01-01"), 2, "is not a partition of"),
        ((SILVER, "--partition", "2010-12-05x"), 2, "is not a partition of"),
        ((SILVER, "--partition", "2011-11-11"), 1, "has no input"),
        ((BRONZE, "--partition", "2011-11-11"), 1, "has no function to try"),
    ],
)
def test_what_cannot_be_tried_is_said(
    run: Run, shop: LoadedShop, arguments, code: int, why: str
) -> None:
    said = " ".join(run("try", *arguments, code=code).output.split())

    assert why in said


def test_the_shells_table_is_what_is_published(shop: LoadedShop) -> None:
    here, day = Exploration(shop.home.platform, shop.home.tables), str(shop.day(1))

    assert here.table(SILVER, day).count() == shop.home.counts(SILVER)[day]
    assert here.table(SILVER).count() == sum(shop.home.counts(SILVER).values())
    with pytest.raises(NotThere):
        here.table(SILVER, "a day")


def test_the_shell_has_the_tables_by_name_and_writes_nothing(shop: LoadedShop) -> None:
    home, day = shop.home.settings.home, str(shop.day(1))
    before = state(home)
    typed = f"print('rows', table({SILVER!r}, {day!r}).count())\nprint(sorted(tables)[0])\n"

    ended = subprocess.run(
        [Path(sys.executable).with_name("data-platform"), "shell"],
        input=typed,
        env={**os.environ, "DATA_PLATFORM_HOME": str(home), "DATA_PLATFORM_ENV": "test"},
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 0, ended.stderr
    assert f"rows {shop.home.counts(SILVER)[day]}" in ended.stdout, ended.stderr
    assert BRONZE in ended.stdout
    assert state(home) == before
