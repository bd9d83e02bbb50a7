"""Settings' URLs of databases as SQLAlchemy is to be given them. Imports nothing."""

WAIT_SECONDS = 60.0  # a commit takes a tenth of a second, so this is many of them


def with_driver(url: str) -> str:
    """The URL with PostgreSQL's driver, psycopg2: SQLAlchemy's own choice changes with its
    versions, and PyIceberg's and Dagster's is this one."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def waiting(url: str) -> str:
    """The URL with SQLite's `timeout` (seconds), if it does not name one.

    SQLite locks the whole file for each writer; a server does not, and is left as its URL has it.
    """
    if not url.startswith("sqlite") or "timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}timeout={WAIT_SECONDS:g}"
