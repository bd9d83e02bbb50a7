"""What the checks of an attempt found, for programs, and who published it although they failed.

`detail` is for people. For earlier attempts that were held back, the names of the failed checks
are taken from it this once; how many rows broke which rule is not known for them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    kind = sa.JSON(none_as_null=True)
    op.add_column("builds", sa.Column("failed", kind, nullable=False, server_default="[]"))
    op.add_column("builds", sa.Column("rules", kind))
    op.add_column("builds", sa.Column("released", sa.String, nullable=False, server_default=""))
    connection = op.get_bind()
    held = connection.exec_driver_sql(
        "SELECT sequence, detail FROM builds WHERE state = 'held_back'"
    )
    builds = sa.table("builds", sa.column("sequence"), sa.column("failed", kind))
    for sequence, detail in held.all():
        names = [reason.partition(": ")[0] for reason in detail.split("; ") if ": " in reason]
        found = builds.update().where(builds.c.sequence == sequence)
        connection.execute(found.values(failed=list(dict.fromkeys(names))))
