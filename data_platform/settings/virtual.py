"""The settings of a process that works in a virtual environment of tables.

An environment has places of its own for everything that is written: its home and Dagster's state
below production's home, its files below production's warehouse, its catalog, ledger and register
of builds in files or in a schema of production's database. Where production's catalog is Glue, of
which there is one for each account and region, the environment's is with its ledger. It has
production's landing place, which it only reads, and neither queue nor inventory.
"""

import re
from dataclasses import replace
from pathlib import Path

from sqlalchemy import make_url

from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError, is_file

FOLDER = "_environments"  # in the warehouse; no layer begins with "_"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # PostgreSQL cuts names after 63 characters


def checked_name(name: str) -> str:
    """The name of an environment. Raises SettingsError if it cannot be one."""
    if _NAME.fullmatch(name) is None:
        raise SettingsError(
            f"{name!r} cannot be the name of an environment; write a lower case letter, then at "
            "most 39 letters, digits and _, like pr_42"
        )
    return name


def schema_of(name: str) -> str:
    """The schema with an environment's tables, in each of production's PostgreSQL databases."""
    return f"environment_{name}"


def home_of(production: Settings, name: str) -> Path:
    """The directory of what an environment keeps on this machine."""
    return production.home / "environments" / name


def warehouse_of(production: Settings, name: str) -> str:
    """Where an environment's files are written."""
    return f"{production.warehouse_uri}/{FOLDER}/{name}"


def inside(settings: Settings, name: str) -> Settings:
    """The settings in the environment `name`, whichever one `settings` are of; those of production
    if it is empty.

    Raises SettingsError for a wrong name.
    """
    production = settings.production or settings
    if not name:
        return production
    home = home_of(production, checked_name(name))
    in_glue = production.catalog_uri == "glue"
    catalog = production.ledger_uri if in_glue else production.catalog_uri
    return replace(
        production,
        production=production,
        virtual_environment=name,
        home=home,
        warehouse_uri=warehouse_of(production, name),
        catalog_uri=_database(catalog, home / "catalog.db", name),
        ledger_uri=_database(production.ledger_uri, home / "ledger.db", name),
        dagster_database=production.dagster_database
        and _in_schema(production.dagster_database, schema_of(name)),
        queue_url="",
        inventory_uri="",
    )


def _database(url: str, file: Path, name: str) -> str:
    return f"sqlite:///{file}" if is_file(url) else _in_schema(url, schema_of(name))


def _in_schema(url: str, schema: str) -> str:
    """The URL of a PostgreSQL database, such that names are looked up in that schema alone."""
    place = make_url(url)
    given = " ".join(place.normalized_query.get("options", ()))
    options = f"{given} -csearch_path={schema}".strip()
    return place.update_query_dict({"options": options}).render_as_string(hide_password=False)
