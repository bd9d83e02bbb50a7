from data_platform.access.people import Person, Role
from data_platform.webserver.mutations import change_of, launched_by

OLGA = Person("olga", Role.OPERATOR)


def test_a_backfill_is_of_its_tables_and_days() -> None:
    params = {
        "assetSelection": [{"path": ["silver", "shop", "lines"]}, {"path": ["gold", "sales"]}],
        "partitionNames": ["2011-03-02", "2011-03-01", "2011-03-05"],
    }

    found = change_of("launchPartitionBackfill", {"backfillParams": params}, OLGA)

    assert found.action == "launchPartitionBackfill"
    assert found.tables == ("gold/sales", "silver/shop/lines")
    assert found.partitions == "2011-03-01..2011-03-02, 2011-03-05"


def test_a_run_is_of_the_partitions_in_its_tags() -> None:
    def partitions(**tags: str) -> str:
        given = [{"key": f"dagster/{key}", "value": value} for key, value in tags.items()]
        params = {"selector": {"pipelineName": "p"}, "executionMetadata": {"tags": given}}
        return change_of("launchRun", {"executionParams": params}, OLGA).partitions

    assert partitions(partition="2011-03-01") == "2011-03-01"
    span = {
        "asset_partition_range_end": "2011-03-04",
        "asset_partition_range_start": "2011-03-01",
    }
    assert partitions(**span) == "2011-03-01..2011-03-04"
    assert partitions() == ""


def test_wiped_ranges_and_runs_that_are_ended_are_named() -> None:
    wiped = [
        {
            "assetKey": {"path": ["a"]},
            "partitions": {"range": {"start": "2011-03-01", "end": "2011-03-02"}},
        }
    ]

    assert change_of("wipeAssets", {"assetPartitionRanges": wiped}, OLGA).partitions == (
        "2011-03-01..2011-03-02"
    )
    assert change_of("terminateRuns", {"runIds": ["r1", "r2"]}, OLGA).run == "r1, r2"
    sensor = {"sensorSelector": {"sensorName": "arrivals", "repositoryLocationName": "here"}}
    assert change_of("stopSensor", sensor, OLGA).detail == "code location here, sensor arrivals"


def test_what_a_runs_configuration_names_is_not_what_it_is_of() -> None:
    params = {"executionParams": {"runConfigData": {"path": ["secret"], "runId": "r1"}}}

    found = change_of("launchRun", params, OLGA)

    assert (found.tables, found.run) == ((), "")


def test_each_way_to_a_run_is_given_the_name_and_no_client_can_give_another() -> None:
    forged = [{"key": "team", "value": "a"}, {"key": "user", "value": "someone else"}]
    named = [{"key": "team", "value": "a"}, {"key": "user", "value": "olga"}]
    run = {"selector": 1, "executionMetadata": {"tags": forged, "parentRunId": "p"}}
    expected = {"selector": 1, "executionMetadata": {"tags": named, "parentRunId": "p"}}

    assert launched_by({"executionParams": run}, OLGA) == {"executionParams": expected}
    assert launched_by({"executionParamsList": [run]}, OLGA) == {"executionParamsList": [expected]}
    assert (
        launched_by({"backfillParams": {"tags": forged}}, OLGA)["backfillParams"]["tags"] == named
    )
    again = launched_by({"reexecutionParams": {"extraTags": None}}, OLGA)
    assert again == {"reexecutionParams": {"extraTags": named[1:]}}
    assert launched_by({"executionParams": None, "runId": "r"}, OLGA) == {
        "executionParams": None,
        "runId": "r",
    }
