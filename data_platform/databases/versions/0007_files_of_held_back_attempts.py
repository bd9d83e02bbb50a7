"""Which data files an attempt staged that was held back, so that a person can release it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    kind = sa.JSON(none_as_null=True)
    op.add_column("builds", sa.Column("staged", kind, nullable=False, server_default="[]"))
