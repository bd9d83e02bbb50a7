"""What is wrong with a declaration, and in which line of which file: what a person reads first, on
a command's output and in Dagster's log alike."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_platform.contracts.errors import DeclarationError
from data_platform.platform_defs.discovery import folders, packages
from data_platform.settings.environment import named_domains
from data_platform.settings.values import SettingsError

_SPEAKING = (ValueError,)  # ContractError and what the decorators raise: the text says it all


@contextmanager
def wrong_declarations_placed() -> Iterator[None]:
    """Raises DeclarationError for an error of the block; its cause is the error, with a stack trace
    that Dagster shows, unless the message says it all."""
    try:
        yield
    except (SettingsError, DeclarationError):
        raise  # the first is not about a declaration
    except (SyntaxError, *_SPEAKING) as error:
        raise DeclarationError(_said(error)) from None
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
    places: list[Path] = []
    with suppress(ImportError):  # then that is what is wrong
        places = folders(packages(named_domains()))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if any(file == place or place in file.parents for place in places):
            yield f"{file}:{frame.lineno}"
