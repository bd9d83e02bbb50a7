"""Processes of a deployment that end in the middle of a backfill: nothing is lost or run twice."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from data_platform.engine.warm.place import Place as EnginePlace
from data_platform.runs.tags import BACKFILL_ID_TAG, RANGE_END, RANGE_START
from data_platform_tests.support.dagster_processes import deployment, launch_backfill
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    Home,
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

# Not adjacent, so that each is a run of the backfill.
DAYS = ("2011-03-01", "2011-03-03", "2011-03-05")
BUILT = [BRONZE, SILVER, SALES]
ROWS = 20_000

VERSION = "version"  # an asset that says which version of the code has built it
_CODE = """
import dagster as dg
from data_platform.domains.retail.partitions import daily

@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetKey({upstream})],
)
def {name}():
    return dg.MaterializeResult(metadata={{"number": {number}}})
"""
STARTED, SUCCESS = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS


def version(home: Home, number: int) -> dict[str, str]:
    """The variables of a code server with this version of the code."""
    code = _CODE.format(name=VERSION, number=number, upstream=SALES.split("/"))
    (home.settings.home / f"code_of_version_{number}.py").write_text(code)
    return {"DATA_PLATFORM_DOMAINS": f"code_of_version_{number}"}


def materializations(home: Home, asset: str) -> Sequence[dg.EventLogRecord]:
    return home.instance.fetch_materializations(dg.AssetKey(asset.split("/")), limit=1000).records


def test_a_backfill_completes_with_each_day_built_once_whatever_process_ends_meanwhile(
    tmp_path: Path, migrated_postgres_url: str
) -> None:
    with (
        home_at(tmp_path, TABLES, database=migrated_postgres_url) as home,
        deployment(home.settings, migrated_postgres_url) as deployed,
    ):
        landed = {day: shop_lines(day, ROWS, first=n * ROWS) for n, day in enumerate(DAYS)}
        for day, lines in landed.items():
            home.land(key_of(day), csv(lines))
        home.record()
        deployed.start_code_server(**version(home, 1))
        backfill = launch_backfill(deployed.start_webserver(), [*BUILT, VERSION], list(DAYS))
        deployed.start_daemon()

        def runs() -> list[dg.DagsterRun]:
            return list(home.instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill})))

        def started(other_than: str = "") -> list[str]:
            return [r.run_id for r in runs() if r.status is STARTED and r.run_id != other_than]

        try:
            deployed.until(started, "no run of the backfill starts", runs)
            (first,) = started()
            deployed.kill("daemon")
            deployed.stop("webserver")
            deployed.start_daemon()
            deployed.until(lambda: started(first), "no other run starts under the new daemon", runs)
            (replaced,) = started(first)
            deployed.stop("code-server")
            deployed.start_code_server(**version(home, 2))
            client = deployed.start_webserver()

            def ended() -> bool:
                found = home.instance.get_backfill(backfill)
                return found is not None and found.status.value.startswith("COMPLETED")

            deployed.until(ended, "the backfill does not end", runs)
            assert client.get_run_status(replaced) is SUCCESS
        finally:
            deployed.end()
            end(EnginePlace(tmp_path / "engine"))

        said = {
            run.run_id: [entry.message for entry in home.instance.all_logs(run.run_id)[-8:]]
            for run in runs()
            if run.status is not SUCCESS
        }
        assert not said
        ranges = [(run.tags[RANGE_START], run.tags[RANGE_END]) for run in runs()]
        assert sorted(ranges) == [(day, day) for day in DAYS]
        for table in BUILT:
            built = [record.partition_key for record in materializations(home, table)]
            assert Counter(built) == Counter(DAYS)
        by = {
            record.run_id: record.asset_materialization.metadata["number"].value
            for record in materializations(home, VERSION)
            if record.asset_materialization
        }
        (last,) = {run.run_id for run in runs()} - {first, replaced}
        assert by == {first: 1, replaced: 1, last: 2}
        for table, column in ((BRONZE, "InvoiceNo"), (SILVER, "invoice_no")):
            found = sorted(home.read(table)[column].to_pylist())
            assert found == sorted(
                line.partition(",")[0] for lines in landed.values() for line in lines
            )
        assert home.counts(SALES) == dict.fromkeys(DAYS, 1)
