"""Two daemons on one database: one is at work, and the other takes over what it leaves."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from data_platform.engine.warm.place import Place as EnginePlace
from data_platform_tests.support.dagster_processes import deployment, launch_backfill
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.tables import TABLES
from data_platform_tests.support.warm_engines import end

pytestmark = [
    pytest.mark.system,
    pytest.mark.connect_only,
    pytest.mark.integration,
    pytest.mark.timeout(600),
]

LANDED, BACKFILLED = "2011-03-01", ("2011-03-03", "2011-03-04")
BUILT = [BRONZE, SILVER, SALES]
UNSUCCESSFUL = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def freeze(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def test_each_partition_is_built_once_where_two_daemons_run_and_one_is_frozen(
    tmp_path: Path, migrated_postgres_url: str
) -> None:
    with (
        home_at(tmp_path, TABLES, database=migrated_postgres_url) as home,
        deployment(home.settings, migrated_postgres_url) as deployed,
    ):

        def until(condition: Callable[[], object], what: str) -> None:
            deployed.until(condition, what, home.instance.get_runs)

        def built(*days: str) -> bool:
            return set(days) <= set(home.materialized(SALES))

        def completed(backfill: str) -> bool:
            found = home.instance.get_backfill(backfill)
            return found is not None and found.status.value == "COMPLETED_SUCCESS"

        deployed.start_code_server()
        client = deployed.start_webserver()
        frozen = deployed.start_daemon()
        until(home.instance.get_daemon_heartbeats, "the daemon does not begin")
        deployed.start_daemon("another")
        try:
            until(lambda: "this one waits" in deployed.log("another"), "two daemons are at work")
            home.land(key_of(LANDED), csv(shop_lines(LANDED)))
            until(lambda: built(LANDED), "what landed is not built")
            # What Dagster's daemon says first.
            assert "following daemons" in deployed.log("daemon")
            assert "following daemons" not in deployed.log("another")

            for day in BACKFILLED:
                home.land(key_of(day), csv(shop_lines(day)))
            freeze(frozen)
            home.record()
            backfill = launch_backfill(client, BUILT, list(BACKFILLED))
            until(lambda: completed(backfill), "the backfill is not continued")
            frozen.send_signal(signal.SIGCONT)
            until(lambda: frozen.poll() is not None, "a daemon that was replaced goes on")
        finally:
            deployed.end()
            end(EnginePlace(tmp_path / "engine"))

        assert "daemon: the lease is lost" in deployed.log("daemon")
        assert not home.instance.get_runs(dg.RunsFilter(statuses=UNSUCCESSFUL))
        for table in BUILT:
            key = dg.AssetKey(table.split("/"))
            records = home.instance.fetch_materializations(key, limit=1000).records
            assert Counter(record.partition_key for record in records) == Counter(
                [LANDED, *BACKFILLED]
            )
