"""Which version of the package this is."""

from importlib.metadata import PackageNotFoundError, version

from data_platform.settings.model import CHECKOUT


def installed_version() -> str:
    """Of the installed package; of a checkout, which is on the path without being installed, what
    its `pyproject.toml` says."""
    try:
        return version("data-platform")
    except PackageNotFoundError:
        import tomllib

        text = (CHECKOUT / "pyproject.toml").read_text("utf-8")
        return f"{tomllib.loads(text)['project']['version']} (checkout {CHECKOUT})"
