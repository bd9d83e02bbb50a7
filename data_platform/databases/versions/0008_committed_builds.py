"""Whether a build's commit was made, and under which declaration an object failed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "builds", sa.Column("committed", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.execute("UPDATE builds SET committed = (state = 'published')")
    op.add_column("landed_objects", sa.Column("declaration", sa.String))
