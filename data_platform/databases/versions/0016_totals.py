"""What builds have done in total, by table: rows, bytes, seconds."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "totals",
        sa.Column("table_id", Name, primary_key=True),
        sa.Column("name", Name, primary_key=True),
        sa.Column("total", sa.Float, nullable=False),
        sa.Column("last", sa.Float, nullable=False),
    )
