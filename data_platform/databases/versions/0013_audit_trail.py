"""Who changed what; entries can be added, and never changed."""

import sqlalchemy as sa
from alembic import op

from data_platform.databases.tables import Name

revision = "0013"
down_revision = "0012"

APPEND_ONLY = {
    "sqlite": [
        "CREATE TRIGGER audit_trail_kept BEFORE DELETE ON audit_trail "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
        "CREATE TRIGGER audit_trail_unchanged BEFORE UPDATE ON audit_trail "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_trail_kept() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END$$",
        "CREATE TRIGGER audit_trail_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail "
        "EXECUTE FUNCTION audit_trail_kept()",
    ],
}


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "audit_trail",
        sa.Column("number", number, primary_key=True),
        sa.Column("change", Name, nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
        *(
            sa.Column(name, sa.String, nullable=False)
            for name in (
                *("who", "role", "through", "action", "tables", "partitions", "run", "detail"),
                "outcome",
            )
        ),
    )
    for statement in APPEND_ONLY[op.get_context().dialect.name]:
        op.execute(statement)
