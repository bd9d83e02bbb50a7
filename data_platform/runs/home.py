"""The directories of a home, and Dagster's configuration in it. Dagster itself is not needed."""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from data_platform.databases.dagster import on_postgres
from data_platform.settings.model import Settings
from data_platform.settings.values import PREFIX, SettingsError, home_explained

# Dagster's storage is where `DATA_PLATFORM_DAGSTER_DATABASE` says.
_STORAGE = ("storage", "run_storage", "event_log_storage", "schedule_storage")


def prepare_home(settings: Settings) -> None:
    """Create the directories of a home on disk, with Dagster's own configuration.

    Idempotent, except that `dagster.yaml` is replaced by the one shipped here, with the sections of
    `dagster_config` instead of its own. Raises SettingsError if the directory cannot be used as a
    home, or that file not as a configuration.
    """
    with home_explained(settings.home):
        for place in (settings.landing_uri, settings.warehouse_uri):
            if place.startswith("file://"):
                Path(place.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
    wanted = files("data_platform").joinpath("dagster.yaml").read_text("utf-8")
    if own := own_sections(settings):
        wanted = yaml.safe_dump(_with_sections(yaml.safe_load(wanted), own), sort_keys=False)
    if settings.dagster_database:
        wanted = on_postgres(wanted, settings.dagster_database)
    instance = settings.dagster_home / "dagster.yaml"
    if not instance.exists() or instance.read_text("utf-8") != wanted:
        unfinished = instance.with_suffix(f".{os.getpid()}.part")  # others may be reading it
        unfinished.write_text(wanted, "utf-8")
        unfinished.replace(instance)


def _with_sections(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped configuration with these sections. How many runs there may be at once does not
    replace that those of a table wait for each other."""
    found = {**shipped, **own}
    if isinstance(own.get("concurrency"), Mapping):
        found["concurrency"] = {**shipped["concurrency"], **own["concurrency"]}
    return found


def own_sections(settings: Settings) -> Mapping[str, Any]:
    """The sections of the deployment's own configuration of Dagster; empty if it has none.

    Raises SettingsError if the file cannot be read, or says where Dagster's storage is.
    """
    if settings.dagster_config is None:
        return {}
    name = f"{PREFIX}DAGSTER_CONFIG is {settings.dagster_config}"
    try:
        sections = yaml.safe_load(settings.dagster_config.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{name}, which cannot be read: {error}") from error
    if not isinstance(sections, dict) or not all(isinstance(key, str) for key in sections):
        raise SettingsError(f"{name}; write sections of dagster.yaml in it, such as run_launcher")
    if storage := [key for key in _STORAGE if key in sections]:
        raise SettingsError(
            f"{name} and has {', '.join(storage)}; leave it out and set {PREFIX}DAGSTER_DATABASE"
        )
    return sections
