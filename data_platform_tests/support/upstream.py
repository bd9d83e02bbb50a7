"""Whether another package still has what the platform relies on beyond its public interface."""

import inspect
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def parameters(function: Callable[..., Any]) -> str:
    """The names of its parameters, those with a default marked: `self, event, limit=`."""
    signature = inspect.signature(function)
    return ", ".join(
        each.name if each.default is each.empty else f"{each.name}="
        for each in signature.parameters.values()
    )


def pinned(package: str) -> str | None:
    """The one version of a package that `pyproject.toml` allows; None if it allows others."""
    wanted = tomllib.loads(_PROJECT.read_text())["project"]["dependencies"]
    for requirement in wanted:
        name, _, pin = requirement.partition("==")
        if name.partition("[")[0] == package and pin and "*" not in pin:
            return pin
    return None


def is_pinned(package: str) -> bool:
    """Whether the installed version is the only one that is allowed."""
    return pinned(package) == version(package)
