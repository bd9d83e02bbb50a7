"""Errors of the command line: one clear line, with the nearest names for a mistyped one."""

from collections.abc import Callable
from functools import wraps

import click

from data_platform.buckets.errors import BucketError
from data_platform.cli.exit_codes import ExitCode
from data_platform.contracts.errors import DeclarationError
from data_platform.databases.errors import DatabaseError
from data_platform.lake.errors import NotThere, QueryError
from data_platform.landing.arrivals.queue import QueueError
from data_platform.settings.values import SettingsError
from data_platform.storage import s3_errors
from data_platform.storage.errors import LakeError
from data_platform.tables.nearest import nearest
from data_platform.telemetry.wording import unknown

_WHOLE = 10_000  # characters: more than any help text
EXPECTED = (BucketError, DeclarationError, DatabaseError, LakeError, QueueError, SettingsError)


class Suggesting(click.Group):
    """A group that answers a mistyped command with the nearest ones, and lists its commands with
    whole sentences."""

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(unknown("command", args[0], list(self.commands)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = [(name, command.get_short_help_str(_WHOLE)) for name, command in self._shown()]
        with formatter.section("Commands"):
            formatter.write_dl(listed)

    def _shown(self) -> list[tuple[str, click.Command]]:
        return [(name, each) for name, each in sorted(self.commands.items()) if not each.hidden]


class DefaultList(Suggesting):
    """`quarantine TABLE` lists; `quarantine replay TABLE` is a command of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in ("-h", "--help") and not self._mean(args[0]):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def _mean(self, text: str) -> bool:
        """Whether it is a command, or one mistyped; a table's name has slashes."""
        return "/" not in text and bool(nearest(text, self.commands, cutoff=0.8))


def reporting(command: Callable) -> Callable:
    """The command, with expected failures printed as one line, without a stack trace."""

    @wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise SystemExit(ExitCode.INTERRUPTED) from None
        except (NotThere, QueryError) as error:
            raise click.UsageError(str(error)) from error
        except EXPECTED as error:
            raise click.ClickException(_advised(str(error))) from error
        except BrokenPipeError:
            raise  # the reader of the pipe has closed it; click ends quietly
        except OSError as error:
            why = s3_errors.explanation(str(error)) or _place_and_cause(error)
            raise click.ClickException(_advised(why)) from error

    return wrapped


def _advised(text: str) -> str:
    advice = s3_errors.way_out(text)
    return f"{text}; {advice}" if advice else text


def _place_and_cause(error: OSError) -> str:
    """`/nowhere: there is no such folder`; the error's own text if it names no file."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
