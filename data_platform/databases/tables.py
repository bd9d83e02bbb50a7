"""Column types shared by the tables of the platform's own database.

The tables are declared where they are used, in `landing.ledger.tables` and `lake.builds`;
`migration` creates them.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

# Names are ordered by their bytes, as in object stores and SQLite. A server's collation would give
# a different order, and so different digests of the same objects.
Name = sa.String().with_variant(sa.String(collation="C"), "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A timestamp: with a time zone in Python, stored in UTC without one."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Message(sa.TypeDecorator[str]):
    """Text for people. NULs (of a quoted broken file) are replaced: PostgreSQL refuses them."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value.replace("\0", "\\x00") if value else value
