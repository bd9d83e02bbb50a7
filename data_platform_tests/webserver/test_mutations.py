from collections.abc import Iterator
from typing import Any

import pytest
from dagster_graphql.schema import create_schema
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
)

from data_platform.access.people import Person, Role
from data_platform.access.trail import Change
from data_platform.webserver import mutations
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
    assert change_of("startSensor", sensor, OLGA).detail == "code location here, sensor arrivals"
    assert change_of("stopSensor", {"id": "i", "job_origin_id": None}, OLGA).detail == "id=i"
    assert change_of("freeConcurrencySlots", {"runId": "r", "stepKey": "s"}, OLGA).detail == (
        "stepKey=s"
    )


def test_a_long_argument_is_cut() -> None:
    found = change_of("setSensorCursor", {"cursor": "c" * 1_000_000, "note": "n"}, OLGA)

    assert found.detail == f"{'cursor='.ljust(200, 'c')}, note=n"


def test_what_a_runs_configuration_names_is_not_what_it_is_of() -> None:
    def launched(**configuration: object) -> Change:
        params = {"executionParams": {"runConfigData": configuration}}
        return change_of("launchRun", params, OLGA)

    found = launched(path=["secret"], runId="r1")

    assert (found.tables, found.run) == ((), "")
    assert "secret" not in found.detail
    assert found.detail == launched(runId="r1", path=["secret"]).detail
    assert found.detail != launched(runId="r2", path=["secret"]).detail


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


# --- as the installed version has them ----------------------------------------------------

SCHEMA = create_schema().graphql_schema
assert SCHEMA.mutation_type is not None
FIELDS = SCHEMA.mutation_type.fields


def _given(kind: Any, name: str, seen: tuple[str, ...] = ()) -> Any:
    """A value with every member, as a resolver is given it; a text has its argument's name."""
    match kind:
        case GraphQLNonNull(of_type=inner):
            return _given(inner, name, seen)
        case GraphQLList(of_type=inner):
            return [_given(inner, name, seen)]
        case GraphQLEnumType(values=values):
            return next(iter(values))
        case GraphQLInputObjectType(fields=fields) if kind.name == "ExecutionTag":
            return {each: f"a {each} of {name}" for each in fields}
        case GraphQLInputObjectType(fields=fields):
            inner = {key: field for key, field in fields.items() if kind.name not in seen}
            return {
                field.out_name or key: _given(field.type, key, (*seen, kind.name))
                for key, field in inner.items()
            }
    return {"Boolean": True, "Int": 41, "Float": 4.5, "RunConfigData": {"a": 1}}.get(
        kind.name, f"of {name}"
    )


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "runConfigData":
                yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield str(value)


@pytest.mark.parametrize("name", [name for name in FIELDS if FIELDS[name].args])
def test_every_argument_of_every_mutation_is_in_its_change(name: str) -> None:
    arguments = {a.out_name or key: _given(a.type, key) for key, a in FIELDS[name].args.items()}

    found = str(change_of(name, arguments, OLGA))

    leaves = [*_leaves(arguments)]
    assert leaves
    for leaf in leaves:
        assert leaf in found


def test_every_name_of_an_argument_that_is_known_is_one_of_the_schemas() -> None:
    names = {name for field in FIELDS.values() for name in field.args}
    kinds = [get_named_type(a.type) for field in FIELDS.values() for a in field.args.values()]
    seen = set[str]()
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, GraphQLInputObjectType) and kind.name not in seen:
            seen.add(kind.name)
            names |= {*kind.fields}
            kinds += [get_named_type(each.type) for each in kind.fields.values()]

    known = {*mutations._RUNS, *mutations._PARTITIONS, *mutations._NAMES, *mutations._TAGS}
    assert known - names == set()
    assert {*FIELDS} >= mutations.HARMLESS
    assert {"path", "start", "end", "executionMetadata", mutations._CONFIGURATION} <= names
    launching = {"executionParams", "executionParamsList", "reexecutionParams", "backfillParams"}
    assert launching == {
        name
        for field in FIELDS.values()
        for name, a in field.args.items()
        if _has_tags(get_named_type(a.type))
    }


def _has_tags(kind: Any, seen: tuple[str, ...] = ()) -> bool:
    if not isinstance(kind, GraphQLInputObjectType) or kind.name in seen:
        return False
    members = {n: get_named_type(f.type) for n, f in kind.fields.items()}
    return bool(mutations._TAGS & {*members}) or any(
        _has_tags(each, (*seen, kind.name)) for each in members.values()
    )
