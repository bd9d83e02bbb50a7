"""How the platform hears of what lands, and the nightly look at whether it heard of everything.

moto's S3 sends its own notifications to moto's SQS.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from data_platform.assets import BronzeTable
from data_platform.buckets.standard import TLS_ONLY_SID, QueuePurpose
from data_platform.build.platform import Platform
from data_platform.landing.arrivals.listing import ListingIntake
from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.runs.arrivals import record_arrivals
from data_platform.runs.tags import RECONCILIATION
from data_platform_tests.support.bucket_breaks import without_statement
from data_platform_tests.support.cloud import Cloud
from data_platform_tests.support.homes import Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.tables import TABLES

LANDING = "acme-raw-landing-test"
DAY = "2011-03-01"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
        yield home


@pytest.fixture
def notified(home: Home, cloud: Cloud) -> Platform:
    """Its landing place is below `in/` of the standard's bucket, which tells the standard's queue
    of everything."""
    cloud.apply()
    without_statement(cloud, LANDING, TLS_ONLY_SID)  # there is no TLS here
    settings = replace(
        home.settings,
        landing_uri=f"s3://{LANDING}/in",
        queue_url=cloud.queue(QueuePurpose.ARRIVALS).url,
        aws_region=cloud.settings.aws_region,
        aws_endpoint=cloud.settings.aws_endpoint,
    )
    return Platform(settings)


def evaluated(home: Home, platform: Platform):
    sensor = home.definitions.get_repository_def().get_sensor_def("landing_arrivals")
    context = dg.build_sensor_context(
        instance=home.instance,
        definitions=home.definitions,
        resources={"platform": platform},
    )
    return sensor.evaluate_tick(context)


def put(cloud: Cloud, key: str, lines: list[str]) -> None:
    cloud.client.put_object(Bucket=LANDING, Key=f"in/{key}", Body=csv(lines))


def test_a_directory_is_listed_and_a_bucket_with_a_queue_is_not(
    home: Home, notified: Platform
) -> None:
    assert isinstance(home.platform.intake, ListingIntake)
    assert isinstance(notified.intake, QueueIntake)


def test_what_s3_tells_the_queue_asks_for_a_run(
    home: Home, notified: Platform, cloud: Cloud
) -> None:
    landed = [table for table in TABLES if isinstance(table, BronzeTable)]
    put(cloud, key_of(DAY), shop_lines(DAY))
    put(cloud, key_of("2011-03-03", "-late 100%+1"), shop_lines("2011-03-03"))
    put(cloud, key_of("2011-03-02"), shop_lines("2011-03-02"))
    cloud.client.delete_object(Bucket=LANDING, Key=f"in/{key_of('2011-03-02')}")
    cloud.client.put_object(Bucket=LANDING, Key="out/report.csv", Body=b"")
    cloud.client.put_object(Bucket=LANDING, Key="in/online_retail/", Body=b"")

    found = record_arrivals(notified, landed, dt.datetime.now(dt.UTC))

    assert found.recorded.new == (key_of(DAY), key_of("2011-03-03", "-late 100%+1"))
    assert (found.recorded.unknown, found.outside, found.warnings) == ((), 1, ())
    [request] = evaluated(home, notified).run_requests or []
    assert request.tags["dagster/asset_partition_range_end"] == "2011-03-03"


def test_poison_is_in_the_tick_that_found_it(home: Home, notified: Platform, cloud: Cloud) -> None:
    cloud.sqs.send_message(QueueUrl=notified.settings.queue_url, MessageBody="hello")

    found = evaluated(home, notified)

    assert "1 messages of" in (found.skip_message or "")
    assert "has no redrive policy" not in (found.skip_message or "")


def test_the_reconciliation_shows_which_objects_it_repaired_and_how(home: Home) -> None:
    home.land(key_of("2011-03-01"), csv(shop_lines("2011-03-01")))
    home.land(key_of("2011-03-02"), csv(shop_lines("2011-03-02")))
    home.record()
    (home.landing / key_of("2011-03-01")).unlink()
    home.land(key_of("2011-03-02"), csv(shop_lines("2011-03-02", units=7)))
    home.land(key_of("2011-03-03"), csv(shop_lines("2011-03-03")))
    home.land("notes.txt", b"")

    result = home.definitions.resolve_job_def(RECONCILIATION).execute_in_process(
        instance=home.instance
    )

    [output] = [
        event.step_output_data.metadata
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.STEP_OUTPUT
    ]
    counted = {name: found.value for name, found in output.items() if name != "repaired"}
    assert counted == {
        "listed": 3, "missed": 1, "changed": 1, "vanished": 1, "unknown": 1,
        "not looked at": 0, "compared with": "its listing",
    }  # fmt: skip
    repaired = output["repaired"]
    assert isinstance(repaired, dg.TableMetadataValue)
    assert [record.data for record in repaired.records] == [
        {"key": key_of("2011-03-01"), "what": "vanished"},
        {"key": key_of("2011-03-02"), "what": "changed"},
        {"key": key_of("2011-03-03"), "what": "missed"},
    ]
