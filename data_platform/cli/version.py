"""The version of the package."""

from importlib.metadata import PackageNotFoundError, version

from data_platform.settings.model import CHECKOUT


def installed_version() -> str:
    """The version of the installed package, or, in a checkout that is not installed, the one in
    its `pyproject.toml`."""
    try:
        return version("data-platform")
    except PackageNotFoundError:
        import tomllib

        text = (CHECKOUT / "pyproject.toml").read_text("utf-8")
        return f"{tomllib.loads(text)['project']['version']} (checkout {CHECKOUT})"
