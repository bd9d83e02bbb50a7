"""Dagster's configuration with its storage in a database of PostgreSQL."""

import yaml

from data_platform.databases.urls import with_driver

STORAGE = ("data_platform.platform_defs.postgres_storage", "BatchingPostgresStorage")
_HEAD = """\
# Dagster's own configuration, its storage on a server; libpq has the password in PGPASSWORD.
# The platform writes this file from data_platform/dagster.yaml.
"""


def on_postgres(shipped: str, url: str) -> str:
    """The shipped text of `dagster.yaml` with all storage at `url`, which has no password."""
    configuration = yaml.safe_load(shipped)
    del configuration["event_log_storage"]
    module, name = STORAGE
    storage = {"module": module, "class": name, "config": {"postgres_url": with_driver(url)}}
    return _HEAD + yaml.safe_dump({"storage": {"custom": storage}} | configuration, sort_keys=False)
