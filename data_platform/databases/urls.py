"""Database URLs from the settings in the form that SQLAlchemy needs. Imports nothing."""

WAIT_SECONDS = 60.0  # enough for hundreds of commits, which take a tenth of a second each


def with_driver(url: str) -> str:
    """The URL with psycopg2 as PostgreSQL's driver, as PyIceberg and Dagster use it; SQLAlchemy's
    default changes with its versions."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def is_sqlite(url: str) -> bool:
    """Whether the database is a file."""
    return url.startswith("sqlite")


def waiting(url: str) -> str:
    """The URL with SQLite's `timeout` (seconds), unless it names one.

    SQLite locks the whole file for each writer; a server does not, so its URL is left as it is.
    """
    if not is_sqlite(url) or "timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}timeout={WAIT_SECONDS:g}"
