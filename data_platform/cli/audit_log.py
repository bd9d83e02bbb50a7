"""The audit trail: what a command writes to it, and `audit-log`."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import click

from data_platform.cli import printing as out
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.options import JSON, LIMIT, open_platform
from data_platform.cli.reporting import reporting


@contextmanager
def recorded(
    platform, action: str, *, table: object = "", partitions: str | None = None, detail: str = ""
) -> Iterator[None]:
    """Records in the audit trail what the block changes, before and after; what cannot be recorded
    is not begun, except a migration. That something needs a human decision is no failure."""
    from data_platform.access.people import actor
    from data_platform.access.trail import Change, Through

    change = Change(
        who=actor(platform.settings),
        through=Through.COMMAND,
        action=action,
        tables=(str(table),) if table else (),
        partitions=partitions or "",
        detail=detail,
    )
    ended = None
    with platform.trail.recorded(change):
        try:
            yield
        except SystemExit as exiting:
            if exiting.code != ExitCode.NEEDS_DECISION:
                raise
            ended = exiting
    if ended:
        raise ended


@click.command("audit-log")
@click.option(
    "--since", metavar="DATE", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="in UTC"
)
@click.option("--who", metavar="NAME", help="only what this person, or program, did")
@click.option("--table", metavar="TABLE", help="only what was done to this table")
@LIMIT
@JSON
@reporting
def audit_log(
    since: dt.datetime | None, who: str | None, table: str | None, limit: int, as_json: bool
) -> None:
    """Who changed something, when, through what, and how it ended: the newest changes, in UTC.

    A change that is still `begun` is under way, or was interrupted.
    """
    found = open_platform().trail.entries(
        since=since.replace(tzinfo=dt.UTC) if since else None, who=who, table=table, limit=limit
    )
    out.records("audit log", [vars(entry) for entry in found], as_json)
