"""What is wrong with a declaration, and in which line of which file: what a person reads first, on
a command's output and in Dagster's log alike."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_platform.contracts.errors import ContractError, DeclarationError
from data_platform.platform_defs.discovery import folders, packages
from data_platform.settings.environment import named_domains
from data_platform.settings.values import SettingsError


@contextmanager
def wrong_declarations_placed() -> Iterator[None]:
    """Raises DeclarationError for an error of the block; its cause is the error, with a stack trace
    that Dagster shows, unless the message says it all: what is wrong, and in which line."""
    try:
        yield
    except (SettingsError, DeclarationError):
        raise  # the first is not about a declaration
    except SyntaxError as error:
        text = f"{error.filename}:{error.lineno}: {error.msg}"
        raise DeclarationError(text) from None
    except Exception as error:
        place = next(_declaring_lines(error), None)
        said_all = isinstance(error, ContractError) or (place and isinstance(error, ValueError))
        text = str(error) if said_all else f"{type(error).__name__}: {error}"
        cause = None if said_all else error
        raise DeclarationError(f"{place}: {text}" if place else text) from cause


def _declaring_lines(error: Exception) -> Iterator[str]:
    """The lines of declarations in the traceback, innermost first."""
    places: list[Path] = []
    with suppress(ImportError):  # then that is what is wrong
        places = folders(packages(named_domains()))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if any(file == place or place in file.parents for place in places):
            yield f"{file}:{frame.lineno}"
