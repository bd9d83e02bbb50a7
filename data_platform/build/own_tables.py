"""The tables of the platform's own database. Each is declared where it is used; whoever copies,
restores or removes all of them imports this module, which knows them."""

from data_platform.access import trail
from data_platform.databases import fencing
from data_platform.databases.tables import METADATA
from data_platform.lake import build_changes, builds, environments, totals
from data_platform.landing.ledger import tables
from data_platform.telemetry import incidents, notices

DECLARED_IN = (
    trail,
    fencing,
    build_changes,
    builds,
    environments,
    totals,
    tables,
    incidents,
    notices,
)
OWN_TABLES = tuple(METADATA.sorted_tables)
"""In the order of their references."""
