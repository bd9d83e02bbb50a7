"""Requests to the store by table, read from versitygw's access log."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from data_platform.assets import BronzeTable, JudgedTable, Table

# owner bucket [time] address requester id operation key uri status error ...
_LINE = re.compile(
    r"\S+ \S+ \[[^]]*\] \S+ \S+ \S+ (?:s3_)?(?P<operation>\S+) (?P<key>\S+) (?P<uri>\S+) "
    r"(?P<status>\d+|-) .*"
)
_HADOOP = re.compile(r"audit\.example\.org/hadoop/\d+/(?P<audit>\w+)/")
_CLIENTS = {"Hadoop ": "s3a", "aws-sdk-java": "s3a", "aws-sdk-cpp": "PyArrow", "Boto3": "boto3"}
_PLACE = re.compile(r"warehouse/(?P<table>[^/]+/[^/]+/[^/]+)/(?P<part>data|metadata)\b")


class UnknownRequest(ValueError):
    """A line of the access log that cannot be parsed or attributed to a table."""


@dataclass(frozen=True, order=True)
class Request:
    """A kind of request. `table` is the table it is attributed to, including its quarantine and
    duplicates (and landed objects, if it is bronze); `files` is the kind of files."""

    table: str
    files: str
    client: str
    operation: str
    status: str
    purpose: str


def counted(lines: Iterable[str], tables: Iterable[Table]) -> Counter[Request]:
    """Count the requests, one per line, including failed ones. Raises UnknownRequest."""
    tables = list(tables)
    owners = {str(table.id): str(table.id) for table in tables}
    for table in tables:
        if isinstance(table, JudgedTable):
            beside = (table.id.sibling(layer) for layer in ("quarantine", "duplicates"))
            owners |= {str(name): str(table.id) for name in beside}
    landed = next(str(table.id) for table in tables if isinstance(table, BronzeTable))
    return Counter(_request(line, owners, landed) for line in lines)


def _request(line: str, owners: dict[str, str], landed: str) -> Request:
    if not (found := _LINE.fullmatch(line)):
        raise UnknownRequest(line)
    client = next((name for mark, name in _CLIENTS.items() if mark in line), "unknown")
    key = _key(found["key"], found["uri"])
    operation, status = found["operation"], found["status"]
    if key.startswith("landing/"):
        table, files = landed, "landed objects"
    elif (place := _PLACE.match(key)) and place["table"] in owners:
        layer = place["table"].partition("/")[0]
        table = owners[place["table"]]
        aside = "" if place["table"] == table else f"{layer} "
        files = f"{aside}{place['part']}"
    else:
        raise UnknownRequest(line)
    audit = _HADOOP.search(line)
    purpose = _purpose(operation, client, files, audit["audit"] if audit else "")
    return Request(table, files, client, operation, status, purpose)


def _key(key: str, uri: str) -> str:
    """The object's path, the prefix of a listing, or only the bucket of a bulk delete."""
    if key != "-":
        return key
    return parse_qs(urlsplit(uri).query).get("prefix", [""])[0]


def _purpose(operation: str, client: str, files: str, audit: str) -> str:
    writes = operation.startswith(("Put", "Create", "Upload", "Complete"))
    if operation.startswith("Delete"):
        return "old files go"
    if files == "landed objects":
        return {"GetObject": "parsed", "HeadObject": "opened; unchanged afterwards"}.get(
            operation, "what is new"
        )
    if files.endswith("metadata"):
        return "committed" if writes else "planned"
    if client == "s3a":
        asked = {
            "op_exists": "is there",
            "op_list_status": "found",
            "op_get_file_status": "opened",
        }
        return f"Spark reads: {asked.get(audit, 'bytes' if operation == 'GetObject' else 'opened')}"
    if writes:
        return "staged"
    return "footer, for audit and commit" if operation == "GetObject" else "whole, before reading"
