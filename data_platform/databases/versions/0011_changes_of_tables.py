"""How often the attempts at each table have changed: a sensor plans the tables that did."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.drop_table("builds_changes")
    op.create_table(
        "builds_changes",
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("table_id", Name, nullable=False, server_default=""),
    )
    op.execute("INSERT INTO builds_changes (number) VALUES (0)")
