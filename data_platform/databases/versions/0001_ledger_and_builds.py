"""The ledger of landed objects and the register of builds.

Databases that are older than migrations have them already, or one of the two: those keep their
rows, and have this version from now on.
"""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "landed_objects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("bucket", Name, nullable=False),
        sa.Column("key", Name, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("latest", sa.Boolean, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.DateTime, nullable=False),
        sa.Column("etag", sa.String),
        sa.Column("source", Name),
        sa.Column("partition", Name),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("load_id", sa.String),
        sa.Column("rows", sa.BigInteger),
        sa.Column("error", sa.String),
        sa.Column("first_seen", sa.DateTime, nullable=False),
        sa.Column("updated", sa.DateTime, nullable=False),
        sa.Column("vanished", sa.DateTime),
        if_not_exists=True,
    )
    latest = sa.column("latest", sa.Boolean).is_(True)
    op.create_index(
        "landed_latest", "landed_objects", ["bucket", "key"], unique=True,
        sqlite_where=latest, postgresql_where=latest, if_not_exists=True,
    )  # fmt: skip
    for name, columns in (
        ("landed_state", ["state", "source", "partition", "key"]),
        ("landed_partition", ["source", "partition", "key", "id"]),
    ):
        op.create_index(name, "landed_objects", columns, if_not_exists=True)
    op.create_table(
        "builds",
        sa.Column("table_id", Name, primary_key=True),
        sa.Column("partition", Name, primary_key=True),
        sa.Column("attempt", Name, primary_key=True),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("contract", sa.String, nullable=False),
        sa.Column("inputs", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        if_not_exists=True,
    )
    op.create_index(
        "builds_latest", "builds", ["table_id", "partition", "created"], if_not_exists=True
    )
