"""The state of its dimensions that each attempt read, for partitions that keep reading it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    column = sa.Column("dimensions", sa.String, nullable=False, server_default="")
    op.add_column("builds", column)
