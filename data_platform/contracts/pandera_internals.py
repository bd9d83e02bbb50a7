"""pandera's private API: nothing else in the project uses it.

The public fields of a check do not say which built-in it is, or its arguments. The version is
pinned in `pyproject.toml`, and a test compares what is used here with it.
"""

from collections.abc import Mapping
from typing import Any

from pandera.api.checks import Check
from pandera.api.function_dispatch import Dispatcher


def built_in(check: Check) -> str | None:
    """pandera's name of a built-in check; None for a custom function.

    The check's `name` cannot tell: users may set it.
    """
    return str(check._check_fn) if isinstance(check._check_fn, Dispatcher) else None


def arguments(check: Check) -> Mapping[str, Any]:
    """The check's arguments by the names of pandera's parameters."""
    return check._check_kwargs
