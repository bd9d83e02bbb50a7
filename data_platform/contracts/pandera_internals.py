"""pandera's private parts: nothing else in the project touches them.

A check does not tell which one it is, or with which arguments, by its public fields. The version is
pinned in `pyproject.toml`, and a test compares what is used here with it.
"""

from collections.abc import Mapping
from typing import Any

from pandera.api.checks import Check
from pandera.api.function_dispatch import Dispatcher


def built_in(check: Check) -> str | None:
    """Which of pandera's own checks it is, by pandera's name; None for a function of one's own.

    The check's `name` is its author's choice.
    """
    return str(check._check_fn) if isinstance(check._check_fn, Dispatcher) else None


def arguments(check: Check) -> Mapping[str, Any]:
    """What the check was declared with, by the names of pandera's parameters."""
    return check._check_kwargs
