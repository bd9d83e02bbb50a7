"""The declared tables; errors in declarations are reported in one line."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_platform.cli.reporting import DeclarationError
from data_platform.settings.values import SettingsError

_SPEAKING = (ValueError,)  # ContractError and what the decorators raise: the text says it all


def declared_tables():
    """The tables and the ordinary assets. Raises DeclarationError if a declaration is invalid."""
    with _errors_in_one_line():
        from data_platform.definitions import declared

        found = declared()
        return found.tables, found.others


def declarations_checked():
    """The tables and Dagster's definitions of them, which are more strict. Raises
    DeclarationError likewise."""
    with _errors_in_one_line():
        from data_platform.definitions import declared, defs

        return declared().tables, defs()


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except SettingsError:
        raise  # not about a declaration
    except Exception as error:
        raise DeclarationError(_said(error)) from error


def _said(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    text = str(error) if isinstance(error, _SPEAKING) else f"{type(error).__name__}: {error}"
    place = next(_declaring_lines(error), None)
    return f"{place}: {text}" if place else text


def _declaring_lines(error: Exception) -> Iterator[str]:
    """The lines of declarations in the traceback, innermost first."""
    from data_platform.platform_defs.discovery import folders, packages
    from data_platform.settings.environment import named_domains

    places: list[Path] = []
    with suppress(ImportError):  # then that is what is wrong
        places = folders(packages(named_domains()))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if any(file == place or place in file.parents for place in places):
            yield f"{file}:{frame.lineno}"
