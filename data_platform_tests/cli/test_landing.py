"""`data-platform landing`, on a ledger alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.build.platform import Platform
from data_platform.cli.main import main
from data_platform.landing.source import OutsideTable, day
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket


def _until_2011(text: str) -> str:
    if text > "2011-12-31":
        raise OutsideTable(f"{text} is not a partition of the table")
    return day(text)


@pytest.mark.parametrize(
    ("key", "why", "way_out"),
    [
        (
            "shop/2099-01-01.csv",
            "is not a partition of the table",
            "add it to the partitions of its table",
        ),
        ("shop/2011-02-30.csv", "is not a day", "land it under another name"),
        ("shop/notes.txt", "no source's pattern matches it", "fix the source's declaration"),
    ],
)
def test_an_object_of_no_source_is_not_reopened_but_told_with_its_ways_out(
    tmp_path: Path, key: str, why: str, way_out: str
) -> None:
    settings = settings_at(tmp_path / "home")
    prepare_home(settings)
    ledger, bucket = Platform(settings).ledger, MemoryBucket()
    bucket.land(key)
    source = replace(SHOP, partition=_until_2011)
    assert ledger.record(bucket.list(), bucket, [source], NOW).unknown == (key,)

    env = {"DATA_PLATFORM_HOME": str(settings.home)}
    result = CliRunner().invoke(main, ["landing", "--reopen", key], env=env)

    said = " ".join(result.output.split())
    assert (result.exit_code, ledger.pending("shop")) == (2, [])
    assert f"{key} is of no source, so nothing loads it: " in said and why in said
    assert way_out in said and f"`data-platform landing --forget {key}` does without it" in said
