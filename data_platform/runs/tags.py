"""Run tags and run configuration that the platform sets, and how often work is tried."""

from dagster._core.storage.tags import HIDDEN_TAG_PREFIX

# Which partitions: a range; in it only the stale ones, or only those listed in JSON. Dagster's
# pages do not show hidden tags.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
ONLY_STALE = f"{HIDDEN_TAG_PREFIX}data_platform_only_stale"
ONLY_PARTITIONS = f"{HIDDEN_TAG_PREFIX}data_platform_only"

RUN_CONFIG = {"loggers": {"console": {"config": {}}}}
# For callers that print a failure's reasons themselves.
WITHOUT_FAILURES = {"loggers": {"console": {"config": {"failures": False}}}}

RECONCILIATION = "landing_reconciliation"  # the job
MOST_ATTEMPTS = 5  # runs that may try an object before it is given up
