"""What a run is told by its tags and its configuration, and how often work is tried."""

from dagster._core.storage.tags import HIDDEN_TAG_PREFIX

# Which partitions: a range, of it only what is stale, or of it just these, in JSON. Dagster's
# pages leave hidden tags out.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
ONLY_STALE = f"{HIDDEN_TAG_PREFIX}data_platform_only_stale"
ONLY_PARTITIONS = f"{HIDDEN_TAG_PREFIX}data_platform_only"

RUN_CONFIG = {"loggers": {"console": {"config": {}}}}
# For whoever runs it and says itself why it failed.
WITHOUT_FAILURES = {"loggers": {"console": {"config": {"failures": False}}}}

RECONCILIATION = "landing_reconciliation"  # the job
MOST_ATTEMPTS = 5  # runs that may try an object before it is given up
