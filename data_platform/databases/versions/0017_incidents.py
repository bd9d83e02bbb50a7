"""Incidents: what is or was wrong."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Message, Name

revision = "0017"
down_revision = "0016"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("number", _ID, primary_key=True),
        sa.Column("cause", Name, nullable=False, index=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", Message, nullable=False),
        sa.Column("rule", Message, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("owner", Message, nullable=False),
        sa.Column("title", Message, nullable=False),
        sa.Column("partitions", Message, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("look", Message, nullable=False),
        sa.Column("mend", Message, nullable=False),
        sa.Column("run", Message, nullable=False),
        sa.Column("opened", sa.DateTime, nullable=False),
        sa.Column("seen", sa.DateTime, nullable=False),
        sa.Column("closed", sa.DateTime),
        sa.Column("acknowledged", sa.DateTime),
        sa.Column("acknowledged_by", Message, nullable=False, server_default=""),
        sa.Column("acknowledged_for", Message, nullable=False, server_default=""),
    )
    is_open = sa.column("closed").is_(None)
    op.create_index(
        "incidents_open", "incidents", ["cause"], unique=True,
        sqlite_where=is_open, postgresql_where=is_open,
    )  # fmt: skip
