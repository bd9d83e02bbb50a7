"""Which processes are at work, on a database that several machines share."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "leases",
        sa.Column("epoch", number, primary_key=True),
        sa.Column("name", Name, nullable=False, unique=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("term", sa.Float, nullable=False),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("watched", sa.Float, nullable=False),
        sa.Column("silent", sa.Float, nullable=False),
    )
