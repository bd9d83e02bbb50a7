"""What a run with nothing to do costs: no engine, no library of another job, one listing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.landing.places.objects import DirectoryBucket
from data_platform_tests.support.homes import home_at

_RUN = """
import atexit, gc, json, sys
def ended():  # after what the command left for the end: the last that is registered comes first
    from pyspark import SparkContext
    print(json.dumps({
        "modules": sorted(sys.modules),
        "jvm": SparkContext._gateway is not None,
        "collected_after": gc.get_threshold()[0],
        "frozen": gc.get_freeze_count(),
        "tracked": len(gc.get_objects()),
    }))
atexit.register(ended)
from data_platform.cli.main import main
main(["run"], standalone_mode=False)
"""
# Each takes a good part of a second, or a server, and has nothing to say where nothing is due. The
# client of Spark Connect does, too: rules are built with it when definitions load.
_HEAVY = {"boto3", "duckdb", "polars"}


def test_an_idle_run_starts_no_jvm_and_imports_nothing_of_other_jobs(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DATA_PLATFORM_")}
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        env={**environment, "DATA_PLATFORM_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )

    *said, found = done.stdout.splitlines()
    assert any("no run was needed" in line for line in said)
    state = json.loads(found)
    assert not state["jvm"]
    assert not _HEAVY & set(state["modules"])
    assert state["collected_after"] >= 100_000
    assert state["tracked"] < state["frozen"] / 100, "the interpreter's end looks for garbage"


def test_an_idle_run_lists_the_landing_place_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    listing = DirectoryBucket.list

    def counted(bucket: DirectoryBucket, *args, **kwargs):
        listed.append(bucket.uri(""))
        return listing(bucket, *args, **kwargs)

    monkeypatch.setattr(DirectoryBucket, "list", counted)
    with home_at(tmp_path / "home", (bronze,)) as home:
        assert home.run() == []

    assert len(listed) == 1
