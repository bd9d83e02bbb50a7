"""The databases of the lake, shared by processes: how long to wait for each other, what to say.

SQLite locks the whole file for each writer; a server does not, and is left as its URI has it.
"""

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from data_platform.lake.errors import DatabaseUnavailable

WAIT_SECONDS = 60  # a commit takes a tenth of a second, so this is many of them


def waiting(uri: str) -> str:
    """The URI with SQLite's `timeout` (seconds), if it does not name one."""
    if not uri.startswith("sqlite") or "timeout=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}timeout={WAIT_SECONDS}"


def explained(engine: sa.Engine) -> sa.Engine:
    """The engine, whose errors of operation are DatabaseUnavailable from now on."""
    event.listen(engine, "handle_error", _explain)
    return engine


def unavailable(url: sa.URL, error: BaseException) -> DatabaseUnavailable:
    """What happened to which database, and the way out."""
    cause = str(error)
    shown = url.database if url.get_backend_name() == "sqlite" else url.render_as_string()
    advice = "see that it can be reached and try again"
    if "locked" in cause:
        advice = "another process holds it: end that process, or try again"
    elif "unable to open" in cause:
        advice = "its directory must exist, and this user must be able to write there"
    elif "readonly" in cause:
        advice = "make the file and its directory writable for this user"
    elif "full" in cause:
        advice = "free some space and try again"
    return DatabaseUnavailable(
        f"database {shown}: {cause}; {advice}. What was published is as it was."
    )


def _explain(context: sa.ExceptionContext) -> None:
    if isinstance(context.sqlalchemy_exception, OperationalError) and context.engine:
        raise unavailable(context.engine.url, context.original_exception)
