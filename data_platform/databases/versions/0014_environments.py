"""The virtual environments of tables beside production."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "environments",
        sa.Column("name", Name, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    )
