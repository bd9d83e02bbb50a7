"""What a GraphQL mutation of Dagster's webserver changes, by its name and its arguments.

Pure functions. The arguments are those that a resolver is given: variables, defaults and literals
are already in their places.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from data_platform.access.people import Person
from data_platform.access.ranges import as_ranges
from data_platform.access.trail import Change, Through
from data_platform.runs.launched import LAUNCHED_BY
from data_platform.runs.tags import RANGE_END, RANGE_START

# What pages send by themselves: it changes nothing that others see.
HARMLESS = frozenset({"logTelemetry", "setNuxSeen"})

_PARTITION = "dagster/partition"
_RUNS = frozenset({"runId", "runIds", "parentRunId", "backfillId"})
_PARTITIONS = frozenset({"partitionNames", "partitionKeys", "partitionKey"})
_TAGS = frozenset({"tags", "extraTags"})
_CONFIGURATION = "runConfigData"
_LONGEST = 200  # characters of one argument
_NAMES = {
    "jobName": "job",
    "pipelineName": "job",
    "scheduleName": "schedule",
    "sensorName": "sensor",
    "partitionSetName": "partition set",
    "repositoryLocationName": "code location",
    "repositoryName": "repository",
    "concurrencyKey": "pool",
    "partitionsDefName": "partitions of",
}


def change_of(mutation: str, arguments: Mapping[str, Any], who: Person) -> Change:
    """What the person does by the mutation, which is the name of the action."""
    tables, partitions, runs, names = set[str](), set[str](), set[str](), set[str]()
    spans: dict[str, str] = {}
    for key, value in _members(arguments):
        if key == "path":
            tables.add("/".join(_texts(value)))
        elif key in _RUNS:
            runs.update(_texts(value))
        elif key in _PARTITIONS:
            partitions.update(_texts(value))
        elif key in _NAMES and value:
            names.add(f"{_NAMES[key]} {value}")
        elif key in _TAGS:
            tags = {each["key"]: each["value"] for each in value or ()}
            partitions.update(tags[name] for name in (_PARTITION,) if name in tags)
            spans |= {name: tags[name] for name in (RANGE_START, RANGE_END) if name in tags}
            others = tags.keys() - {_PARTITION, RANGE_START, RANGE_END}
            names.update(f"tag {name}={tags[name]}"[:_LONGEST] for name in others)
        elif key in ("start", "end"):
            spans[RANGE_START if key == "start" else RANGE_END] = str(value)
        elif key == _CONFIGURATION:
            names.add(f"{key} {_digest(value)}" if value else "")
        elif value is not None and not _is_nested(value):
            names.add(f"{key}={' '.join(_texts(value))}"[:_LONGEST])
    found = [as_ranges(partitions), "..".join(spans[name] for name in sorted(spans, reverse=True))]
    return Change(
        who=who,
        through=Through.WEBSERVER,
        action=mutation,
        tables=tuple(sorted(tables)),
        partitions=", ".join(filter(None, found)),
        run=", ".join(sorted(runs)),
        detail=", ".join(sorted(names - {""})),
    )


def launched_by(arguments: Mapping[str, Any], who: Person) -> dict[str, Any]:
    """The arguments with the tag by which Dagster's pages say who launched a run; a tag of that
    name that the client sent gives way. Nothing else in them is changed."""
    return {name: _launched_by(name, value, who) for name, value in arguments.items()}


def _launched_by(name: str, value: Any, who: Person) -> Any:
    match name, value:
        case "executionParams", dict():
            metadata = value.get("executionMetadata") or {}
            return {**value, "executionMetadata": _tagged(metadata, "tags", who)}
        case "executionParamsList", list():
            return [_launched_by("executionParams", each, who) for each in value]
        case "reexecutionParams", dict():
            return _tagged(value, "extraTags", who)
        case "backfillParams", dict():
            return _tagged(value, "tags", who)
    return value


def _tagged(params: Mapping[str, Any], key: str, who: Person) -> dict[str, Any]:
    others = [tag for tag in params.get(key) or () if tag["key"] != LAUNCHED_BY]
    return {**params, key: [*others, {"key": LAUNCHED_BY, "value": who.name}]}


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of every object in the arguments, however deep; not of tags and of run
    configuration."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key, each
            if key not in {_CONFIGURATION, *_TAGS}:
                yield from _members(each)
    elif isinstance(value, list):
        for each in value:
            yield from _members(each)


def _is_nested(value: Any) -> bool:
    """Whether it has members of its own."""
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_is_nested, value)))


def _digest(configuration: Any) -> str:
    """Whether two runs had the same configuration, which may hold what is not for a trail."""
    text = json.dumps(configuration, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
