"""Notices of incidents that wait to be sent."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0018"
down_revision = "0017"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("number", _ID, primary_key=True),
        sa.Column("incident", _ID, sa.ForeignKey("incidents.number"), nullable=False, index=True),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("channel", Name, nullable=False),
        sa.Column("owner", Name, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.DateTime, nullable=False),
        sa.Column("message", _ID),
        sa.Column("sent", sa.DateTime),
    )
    waits = sa.column("sent").is_(None)
    op.create_index(
        "notices_waiting", "notices", ["channel", "number"],
        sqlite_where=waits, postgresql_where=waits,
    )  # fmt: skip
    op.create_index("notices_sent", "notices", ["channel", "sent"])
