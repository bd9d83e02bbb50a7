"""The days on which a table's data is expected, and time that passes on these days only."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from data_platform.tables.nearest import nearest

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class ExpectedDays:
    """All days but those that are `closed` (weekdays by name, dates) and `holidays`: those of a
    country ("DE"), of a part of one ("DE-BY"), or of an exchange ("XNYS", "XETR", "XECB").

    Days begin and end in `timezone`; by default in that of the table's partitions, else in UTC.
    """

    closed: tuple[str | dt.date, ...] = ()
    holidays: str = ""
    timezone: str = ""

    @property
    def problem(self) -> str | None:
        """Why it cannot be followed, or None."""
        if not isinstance(self.closed, tuple):
            return f'closed is a tuple, as in ("saturday", "sunday"), not {self.closed!r}'
        for each in self.closed:
            if isinstance(each, dt.datetime) or not isinstance(each, str | dt.date):
                return f"closed names weekdays and dates, not {each!r}"
            if isinstance(each, str) and each not in WEEKDAYS:
                return (
                    f"closed names {each!r}, which is no weekday; there are {', '.join(WEEKDAYS)}"
                )
        if self.closed and set(WEEKDAYS) <= set(self.closed):
            return "closed names every weekday, so no data is ever expected; leave one out"
        try:
            _holidays(self.holidays)
        except ValueError as error:
            return str(error)
        try:
            ZoneInfo(self.timezone or "UTC")
        except (KeyError, ValueError, OSError, TypeError):
            return f"timezone={self.timezone!r} is not a time zone; write it as Europe/Berlin"
        return None

    def has(self, day: dt.date) -> bool:
        """Whether data is expected on a day."""
        if day in self.closed or WEEKDAYS[day.weekday()] in self.closed:
            return False
        return day not in _holidays(self.holidays)

    def any_of(self, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether data is expected at some time from `start` to `end` (exclusive)."""
        day, last = self._day(start), self._day(end - dt.timedelta.resolution)
        while day <= last:
            if self.has(day):
                return True
            day += _DAY
        return False

    def after(self, moment: dt.datetime, duration: dt.timedelta) -> dt.datetime:
        """When more than the duration will have passed since the moment (UTC), on these days alone:
        always a time of such a day. The end of time if it is beyond the calendar."""
        at, left = moment.astimezone(dt.UTC), duration
        try:
            day = self._day(at)
            while True:
                end = self.start_of(day + _DAY)
                if self.has(day) and end > at:
                    if left < end - at:
                        return at + left
                    left -= end - at
                at, day = max(at, end), day + _DAY
        except OverflowError:
            return END_OF_TIME

    def start_of(self, day: dt.date) -> dt.datetime:
        """The first moment of a day (UTC)."""
        return self.moment(dt.datetime(day.year, day.month, day.day))

    def moment(self, local: dt.datetime) -> dt.datetime:
        """The moment (UTC) of a time, which is in the zone of the days if it has none."""
        try:
            return (local if local.tzinfo else local.replace(tzinfo=self._zone)).astimezone(dt.UTC)
        except OverflowError:
            return END_OF_TIME if local.year > 1 else dt.datetime.min.replace(tzinfo=dt.UTC)

    def _day(self, moment: dt.datetime) -> dt.date:
        return moment.astimezone(self._zone).date()

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone or "UTC")


@lru_cache(maxsize=64)
def _holidays(code: str) -> Mapping[Any, str]:
    """The holidays that a code names, by date. Raises ValueError for a code that is not known."""
    if not code:
        return {}
    import holidays

    markets = holidays.list_supported_financial()
    if code in markets:
        return holidays.financial_holidays(code)
    countries = holidays.list_supported_countries()
    country, _, part = code.partition("-") if isinstance(code, str) else ("", "", "")
    if country not in countries:
        near = nearest(str(code), [*countries, *markets])
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"holidays={code!r} is neither a country, such as DE or DE-BY, nor an exchange, such "
            f"as XNYS{hint}"
        )
    if part and part not in countries[country]:
        parts = ", ".join(f"{country}-{each}" for each in countries[country]) or "no part of it"
        raise ValueError(f"holidays={code!r} is no part of {country}; there is {parts}")
    return holidays.country_holidays(country, subdiv=part or None)
