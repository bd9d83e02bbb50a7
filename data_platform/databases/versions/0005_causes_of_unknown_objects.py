"""Why an unknown object is of no source, for programs; `error` says it for people.

Those that are there have none until a listing meets them again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("landed_objects", sa.Column("cause", sa.String))
