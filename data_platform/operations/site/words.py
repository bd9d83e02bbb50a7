"""What the pages say in words."""

import datetime as dt
import re

from markupsafe import Markup, escape

from data_platform.assets import Table
from data_platform.build.tables import schema_of_rows
from data_platform.contracts.compile import CompiledRule, compile_rules
from data_platform.contracts.spec import Check
from data_platform.operations.site.facts import TableFacts, Version
from data_platform.telemetry.wording import counted

_LONGEST = 160  # characters of a list of partitions
_COMPARED = {
    "equal_to": "equal to",
    "not_equal_to": "not",
    "greater_than": "greater than",
    "greater_than_or_equal_to": "at least",
    "less_than": "less than",
    "less_than_or_equal_to": "at most",
    "isin": "one of",
    "notin": "none of",
    "str_matches": "begins as",
    "str_contains": "contains",
    "str_startswith": "begins with",
    "str_endswith": "ends with",
}
_BOUNDS = {"min_value": "at least", "max_value": "at most", "exact_value": "exactly"}


def prose(text: str) -> Markup:
    """A description as paragraphs, with `code` in backticks; nothing else in it is markup."""
    paragraphs = (" ".join(each.split()) for each in re.split(r"\n\s*\n", text.strip()))
    return Markup("").join(Markup("<p>{}</p>").format(coded(each)) for each in paragraphs if each)


def coded(text: str) -> Markup:
    """A line with `code` in backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def first_sentence(text: str) -> str:
    """The beginning of a description, for lists."""
    return re.split(r"(?<=[.!?])\s|;\s", " ".join(text.split()), maxsplit=1)[0].rstrip(";")


def size(count: int) -> str:
    """Bytes as people read them."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 2**power:
            return f"{count / 2**power:,.1f} {unit}"
    return counted(count, "byte")


def moment(of: dt.datetime | None) -> Markup:
    """A moment in UTC, which the page's script completes by how long ago it was."""
    if of is None:
        return Markup("never")
    at = (of if of.tzinfo else of.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d %H:%M}"
    )


def partitioning(table: Table) -> str:
    """How a table is partitioned."""
    if table.partitions is None:
        return "not partitioned"
    text = " ".join(str(table.partitions).split()).rstrip(".")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"by {', '.join(table.partition_by)} ({text[0].lower()}{text[1:]})"


def kept(table: Table) -> str:
    """How long old versions stay readable."""
    of = table.retention
    return f"{counted(of.days, 'day')}, at most {counted(of.snapshots, 'version')}"


def version(of: Version) -> str:
    """What a commit published, from how many rows."""
    commit, run = of.commit, of.run
    by = f"run {commit.run[:8]}" if commit.run else "a person, or upkeep,"
    if run is None:
        changed = f"added {commit.added_rows:,} and removed {counted(commit.deleted_rows, 'row')}"
        return f"{by} {changed}; the table then had {counted(commit.total_rows, 'row')}"
    what = counted(run.partitions, "partition") if commit.partitions else "it"
    then = f"the table then had {counted(commit.total_rows, 'row')}"
    if run.received == run.rows:
        return f"{by} published {what} with {counted(run.rows, 'row')}; {then}"
    rest = [f"{run.rows:,} published"]
    rest += [f"{run.quarantined:,} quarantined"] if run.quarantined else []
    rest += [counted(run.duplicates, "duplicate")] if run.duplicates else []
    return f"{by} published {what} from {counted(run.received, 'row')}: {', '.join(rest)}; {then}"


def state(facts: TableFacts) -> tuple[str, str]:
    """How a table is, in a word for its style and in words for people."""
    of = facts.status
    if of.trouble or facts.held.count or facts.incidents:
        return "bad", "needs attention"
    if facts.published is None:
        return "none", "not built yet"
    return ("due", "to be updated") if of.stale else ("good", "up to date")


def columns(table: Table) -> list[dict[str, object]]:
    """The columns of a table, with their rules where it has a contract."""
    if table.contract is None:
        return [
            {
                "name": field.name,
                "type": field.dataType.simpleString(),
                "nullable": field.nullable,
                "description": field.metadata.get("comment", ""),
                "sensitivity": "",
                "rules": [],
            }
            for field in schema_of_rows(table)
        ]
    return [
        {
            "name": column.name,
            "type": column.type.text,
            "nullable": column.nullable,
            "description": column.description,
            "sensitivity": column.sensitivity,
            "rules": [
                {"text": rule(check), "severity": check.severity}
                for check in column.checks
                # a column that must not be null is marked so already
                if column.nullable or check.kind != "not_null"
            ],
        }
        for column in table.contract.columns
    ]


def rule(check: Check) -> str:
    """A rule of a column in words: as it was described, or by what it compares with."""
    given = {name: value for name, value in check.arguments.items() if value is not None}
    if check.description and not check.description.startswith(f"{check.kind}("):
        return check.description
    if check.kind in _COMPARED and len(given) == 1:
        return f"{_COMPARED[check.kind]} {_value(*given.values())}"
    if check.kind == "str_length":
        bounds = [f"{_BOUNDS[name]} {value}" for name, value in given.items() if name in _BOUNDS]
        return f"length {' and '.join(bounds)}"
    if check.kind == "in_range":
        return f"from {_value(given['min_value'])} to {_value(given['max_value'])}"
    return check.description or check.name


def _value(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(sorted(map(str, value)))
    text = str(getattr(value, "pattern", value))  # of a compiled regular expression
    return f"`{text}`" if isinstance(value, str) or text != str(value) else text


def table_rules(table: Table) -> list[CompiledRule]:
    """The rules of a table that belong to no single column."""
    rules = compile_rules(table.contract) if table.contract else ()
    return [rule for rule in rules if rule.column is None]
