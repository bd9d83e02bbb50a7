"""Which account of which host wrote an entry of the audit trail; empty for those before this."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    account = sa.Column("account", sa.String, nullable=False, server_default="")
    op.add_column("audit_trail", account)
