"""The last arrival is looked up whenever something is recorded, so that the next one is later."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("landed_arrival", "landed_objects", ["first_seen"])
