"""How often the register of builds has changed, which a sensor reads at each tick."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table("builds_changes", sa.Column("number", sa.BigInteger, nullable=False))
    op.execute("INSERT INTO builds_changes VALUES (0)")
