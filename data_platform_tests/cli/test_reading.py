"""Partitions of a table that are named: which ones are refused, and which are only in the past."""

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from data_platform.cli.main import main
from data_platform.platform_defs.discovery import Declared
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeHome:
    """Tuesday is published; Monday is in the first snapshot alone, and the register forgot it. The
    declared table has partitions of later days."""
    home = LakeHome(tmp_path)
    home.make()
    home.write({MONDAY: [1, 2]})
    home.write({TUESDAY: [3]})
    home.lake.load(SALES).delete(f"day = '{MONDAY}'")
    home.builds.forget(SALES, [MONDAY])
    later = SimpleNamespace(id=SALES, partitions=dg.DailyPartitionsDefinition("2012-01-01"))
    found = Declared((later,), ())  # type: ignore[arg-type]
    monkeypatch.setattr("data_platform.definitions.declared", lambda: found)
    return home


def asked(home: LakeHome, *words: str, code: int = 0) -> Result:
    env = {"DATA_PLATFORM_HOME": str(home.folder), "DATA_PLATFORM_ENV": "test"}
    result = CliRunner(env=env).invoke(main, [*words])
    assert result.exit_code == code, result.output
    return result


def test_a_partition_that_only_an_old_snapshot_has_is_shown_as_of_then(home: LakeHome) -> None:
    first = str(home.snapshots()[0])
    named = (str(SALES), "--partition", MONDAY)

    assert "2 rows" in asked(home, "show", *named, "--at", first).output
    now = asked(home, "show", *named).output
    assert "0 rows" in now and f"{MONDAY} is no longer published; see `data-platform hist" in now
    assert first in asked(home, "history", *named, "--json").output


def test_a_partition_that_no_snapshot_has_and_the_table_cannot_have_is_refused(
    home: LakeHome,
) -> None:
    said = asked(home, "show", str(SALES), "--partition", "2011-03-10", code=2).output

    assert f"'2011-03-10' is not a partition of {SALES}" in " ".join(said.split())
