"""What Dagster loads: every domain's tables under one platform."""

from functools import cache

import dagster as dg

from data_platform.platform_defs.assembly import definitions
from data_platform.platform_defs.discovery import Declared, discovered, packages
from data_platform.platform_defs.wrong_declarations import wrong_declarations_placed
from data_platform.settings.environment import give_password, named_domains, settings_from_env


@cache
def declared() -> Declared:
    """The tables and ordinary assets of all domains."""
    return discovered(packages(named_domains()))


@dg.definitions
def defs() -> dg.Definitions:
    settings = settings_from_env()
    give_password(settings)  # to Dagster's own storage, in this process and its runs
    with wrong_declarations_placed():
        found = declared()
        return definitions(found.tables, settings, others=found.others)
