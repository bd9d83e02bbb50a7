"""One word for what wrote a partition's files: the ledger names the version of bronze."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.alter_column("landed_objects", "load_id", new_column_name="bronze_version")
