"""The tables that the checkout declares."""

from data_platform.definitions import declared

TABLES = declared().tables
