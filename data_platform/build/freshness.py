"""Measure how fresh tables are, from the metadata: no data file is read.

What a table's files tell is read again when the register counts a change of it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from data_platform.access.ranges import as_ranges
from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.contracts.freshness import CHECK, FreshWithin
from data_platform.lake.attempts import attempts
from data_platform.lake.bounds import each_time_bounds
from data_platform.lake.files import files_by_partition
from data_platform.quality.findings import Finding
from data_platform.quality.overdue import Freshness, State, judged, judged_by_partitions
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

_LOOKED_AT = dt.timedelta(days=30)
"""How long a partition that is missing counts, while later ones are published."""
Bounds = Sequence[tuple[dt.datetime, dt.datetime]]


@dataclass(frozen=True)
class _Content:
    """Of a table, its time partitions with when each ends, or the bounds of the event time in each
    file."""

    ends: Mapping[str, dt.datetime] = field(default_factory=dict)
    bounds: Bounds = ()


@dataclass
class Measured:
    """Measures the freshness of a platform's tables again and again."""

    platform: Platform
    tables: Sequence[Table]
    _known: dict[TableId, tuple[int, _Content]] = field(default_factory=dict, init=False)

    def rules(self) -> Iterator[tuple[Table, FreshWithin]]:
        """The tables that declare how fresh they must be, each with its rule."""
        for table in self.tables:
            if rule := rule_of(table):
                yield table, rule

    def of(self, table: Table, rule: FreshWithin, now: dt.datetime, change: int = -1) -> Freshness:
        """A table's freshness now; `change` is the register's count of its changes, if known."""
        calendar = Calendar.of(table.partitions)
        if rule.by == "partitions" and calendar:
            return of_partitions(rule, calendar, self._content(table, rule, change).ends, now)
        if rule.event_time:
            bounds = self._content(table, rule, change).bounds
            newest = newest_time(rule, bounds, now, dates=_has_dates(table, rule))
        elif rule.by == "landing" and table.source:
            newest = self.platform.ledger.last_arrival(table.source.name)
        else:
            newest = attempts(self.platform.builds, table.id).published
        return judged(rule, newest, now) if newest else Freshness(State.UNKNOWN)

    def _content(self, table: Table, rule: FreshWithin, change: int) -> _Content:
        known = self._known.get(table.id)
        if known and known[0] == change and change >= 0:
            return known[1]
        # First: what is committed afterwards is seen next time.
        settled = not self.platform.builds.uncommitted(table.id)
        found = _content(table, rule, self.platform)
        if settled:
            self._known[table.id] = (change, found)
        return found


def rule_of(table: Table) -> FreshWithin | None:
    """The rule of a table, with what it leaves to the table's partitions: what it is measured by,
    and the time zone. None if the table declares none."""
    rule = table.freshness
    if rule is None:
        return None
    calendar = Calendar.of(table.partitions)
    by = rule.by or (None if rule.event_time else "partitions" if calendar else "publication")
    zone = rule.days.timezone or (calendar.definition.timezone if calendar else "UTC")
    return replace(rule, by=by, days=replace(rule.days, timezone=zone))


def _content(table: Table, rule: FreshWithin, platform: Platform) -> _Content:
    loaded = platform.lake.find(table.id)
    if loaded is None:
        return _Content()
    files = files_by_partition(loaded)
    if rule.event_time:
        every = [file for of in files.values() for file in of]
        return _Content(bounds=each_time_bounds(loaded, rule.event_time, every))
    for position, column in enumerate(table.partitioning.columns):
        if times := column.times:
            parts = {table.partitioning.parts(key)[position] for key in files}
            return _Content({part: times.span(part)[1].astimezone(dt.UTC) for part in parts})
    return _Content()


def _has_dates(table: Table, rule: FreshWithin) -> bool:
    columns = table.contract.columns if table.contract else ()
    return any(each.name == rule.event_time and each.type.text == "date" for each in columns)


def newest_time(
    rule: FreshWithin, bounds: Bounds, now: dt.datetime, *, dates: bool
) -> dt.datetime | None:
    """The newest event time by the least and greatest of each file; None if there is none up to
    now. Of `dates` it is the end. A file whose greatest time is in the future, which no event can
    have, counts by its least."""
    found: list[dt.datetime] = []
    for low, high in bounds:
        if past := [each for each in (high, low) if rule.days.moment(each) <= now]:
            ended = past[0] + dt.timedelta(days=1) if dates else past[0]
            found.append(rule.days.moment(ended))
    return max(found, default=None)


def of_partitions(
    rule: FreshWithin, calendar: Calendar, ends: Mapping[str, dt.datetime], now: dt.datetime
) -> Freshness:
    """The freshness of a table with these published partitions, by when they end.

    A partition is missed if it is in the table's calendar after the first published one, has an
    expected day, and ended within the last month or after the newest one. A calendar that ended
    before that expects nothing any more.
    """
    if not ends:
        return Freshness(State.UNKNOWN)
    newest = max(ends.values())
    begin = now - _LOOKED_AT
    if calendar.end and calendar.end < begin:
        return Freshness(State.FRESH, newest, newest)
    # The oldest one that is missing says since when, also of a table without news for long.
    start = min(newest, max(begin, min(ends.values())))
    return judged_by_partitions(rule, calendar.windows(start), ends.keys(), newest, now)


def freshness_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The check of a table that declares how fresh it must be."""
    rule = rule_of(table)
    return [dg.AssetCheckSpec(CHECK, asset=table.key, description=in_words(rule))] if rule else []


def finding_now(table: Table, platform: Platform) -> Finding | None:
    """The result of a table's check now; None for a table without one, or without data."""
    rule = rule_of(table)
    if rule is None:
        return None
    return finding(rule, Measured(platform, [table]).of(table, rule, dt.datetime.now(dt.UTC)))


def finding(rule: FreshWithin, found: Freshness) -> Finding | None:
    """The result of the check; None if there is no data yet."""
    if found.state is State.UNKNOWN:
        return None
    said: dict[str, object] = {"state": str(found.state), "newest": _moment(found.newest)}
    said |= {"expected_by": _moment(found.deadline), "rule": in_words(rule)}
    if found.is_late:
        said |= {"since": _moment(found.since), "missing": as_ranges(found.missing) or "none"}
    return Finding(
        CHECK,
        passed=not found.is_late,
        blocking=False,
        description=told(found),
        metadata=said,
        is_error=found.state is State.ERROR,
    )


def told(found: Freshness) -> str:
    """A freshness in words."""
    if found.state is State.UNKNOWN:
        return "nothing is there yet"
    newest = f"the newest data is of {_moment(found.newest)}"
    if found.deadline is None:
        return f"{newest}; the table's calendar has ended, and no more is expected"
    if not found.is_late:
        return f"{newest}; newer data is expected by {_moment(found.deadline)}"
    missing = f"; missing: {as_ranges(found.missing)}" if found.missing else ""
    return f"{newest}, and newer data was expected by {_moment(found.deadline)}{missing}"


_BASES = {
    "partitions": "the end of each partition",
    "publication": "the last publication",
    "landing": "the last landed object",
}


def in_words(rule: FreshWithin) -> str:
    """What a rule requires, in words."""
    since = _BASES[rule.by] if rule.by else f"the newest {rule.event_time}"
    limits = {"warns": rule.warn, "fails": rule.error}
    after = ", ".join(f"{what} {_duration(within)}" for what, within in limits.items() if within)
    days = rule.days
    closed = [*map(str, days.closed)]
    closed += [f"holidays of {days.holidays}"] if days.holidays else []
    without = f"; not counted: {', '.join(closed)}" if closed else ""
    return f"{after} after {since}{without} (days of {days.timezone or 'UTC'})"


def _duration(of: dt.timedelta) -> str:
    """`1 day 12 hours`, to the second."""
    minutes, seconds = divmod(of.seconds, 60)
    parts = {"day": of.days, "hour": minutes // 60, "minute": minutes % 60, "second": seconds}
    return " ".join(counted(n, unit) for unit, n in parts.items() if n) or "less than a second"


def _moment(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"
