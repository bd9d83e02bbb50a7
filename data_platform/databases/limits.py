"""How long a transaction on PostgreSQL may wait, and how long others wait for a process that is
frozen in one."""

import sqlalchemy as sa

IDLE = "idle_in_transaction_session_timeout"


def limit_postgres(connection: sa.Connection, seconds: float, *settings: str) -> None:
    """Set limits of PostgreSQL, until the connection's transaction ends."""
    limit = f"{round(seconds * 1000)}ms"
    for setting in settings:
        connection.execute(sa.select(sa.func.set_config(setting, limit, True)))
