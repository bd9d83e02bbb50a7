"""What the tables of the platform's own database share: their names' order, moments, texts.

The tables themselves are where they are used, in `landing.ledger.tables` and `lake.builds`; how
a database comes to have them is in `migration`.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

# Names are ordered by their bytes, as object stores and SQLite order them: another order, of the
# server's language and its version, would make other digests of the same objects.
Name = sa.String().with_variant(sa.String(collation="C"), "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment: aware in Python, UTC without a zone in the database, whichever it is."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Message(sa.TypeDecorator[str]):
    """What a person reads, maybe with a piece of a broken file: PostgreSQL refuses a NUL."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value.replace("\0", "\\x00") if value else value
