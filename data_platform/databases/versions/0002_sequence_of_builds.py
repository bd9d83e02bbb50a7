"""Attempts are ordered by a number that the database gives them.

A clock may be set back, and attempts from before that must not count as the newest ones. Existing
attempts are numbered in the order of their times, which is all that is known of them.
"""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0002"
down_revision = "0001"

_KEPT = (
    "table_id, partition, attempt, run_id, state, contract, inputs, rows, quarantined, duplicates, "
    "detail, created"
)


def upgrade() -> None:
    # SQLite cannot add a primary key to a table, so it is created anew and the rows copied.
    op.execute("CREATE TEMPORARY TABLE builds_before AS SELECT * FROM builds")
    op.drop_table("builds")
    op.create_table(
        "builds",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("table_id", Name, nullable=False),
        sa.Column("partition", Name, nullable=False),
        sa.Column("attempt", Name, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("contract", sa.String, nullable=False),
        sa.Column("inputs", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    )
    of_partition = ["table_id", "partition"]
    op.create_index("builds_attempt", "builds", [*of_partition, "attempt"], unique=True)
    op.create_index("builds_latest", "builds", [*of_partition, "sequence"])
    op.execute(
        f"INSERT INTO builds ({_KEPT}) SELECT {_KEPT} FROM builds_before ORDER BY created, attempt"
    )
    op.execute("DROP TABLE builds_before")
