"""Why an unknown object belongs to no source, for programs; `error` says it for people.

Existing ones have no cause until they are listed again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("landed_objects", sa.Column("cause", sa.String))
