"""The directories of a home, and Dagster's configuration in it. Dagster itself is not needed."""

import os
from importlib.resources import files
from pathlib import Path

from data_platform.databases.dagster import on_postgres
from data_platform.settings.model import Settings
from data_platform.settings.values import home_explained


def prepare_home(settings: Settings) -> None:
    """Create the directories of a home on disk, with Dagster's own configuration.

    Idempotent, except that `dagster.yaml` is replaced by the one shipped here. Raises SettingsError
    if the directory cannot be used as a home.
    """
    with home_explained(settings.home):
        for place in (settings.landing_uri, settings.warehouse_uri):
            if place.startswith("file://"):
                Path(place.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
    wanted = files("data_platform").joinpath("dagster.yaml").read_text("utf-8")
    if settings.dagster_database:
        wanted = on_postgres(wanted, settings.dagster_database)
    instance = settings.dagster_home / "dagster.yaml"
    if not instance.exists() or instance.read_text("utf-8") != wanted:
        unfinished = instance.with_suffix(f".{os.getpid()}.part")  # others may be reading it
        unfinished.write_text(wanted, "utf-8")
        unfinished.replace(instance)
