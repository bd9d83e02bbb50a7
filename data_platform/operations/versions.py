"""The version of the package, and whether the packages it needs are there in the right versions."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from data_platform.settings.model import CHECKOUT

_PACKAGE = "data-platform"


def installed_version() -> str:
    """The version of the installed package, or, in a checkout that is not installed, the one in
    its `pyproject.toml`."""
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return f"{_project()['version']} (checkout {CHECKOUT})"


def unmet_requirements() -> Iterator[str]:
    """What is missing or has another version, as `pandas 3.0.1, needs pandas<3`."""
    for requirement in map(Requirement, _requirements()):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name} is missing, needs {requirement}"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} {found}, needs {requirement}"


def _requirements() -> list[str]:
    try:
        return requires(_PACKAGE) or []
    except PackageNotFoundError:
        return _project()["dependencies"]


def _project() -> dict:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
