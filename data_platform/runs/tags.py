"""Run tags and run configuration that the platform sets, and how often work is tried."""

from collections.abc import Mapping

# Which partitions: a range; in it only the stale ones, or only those listed in JSON. Dagster's
# pages do not show hidden tags.
HIDDEN = ".dagster/"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
ONLY_STALE = f"{HIDDEN}data_platform_only_stale"
ONLY_PARTITIONS = f"{HIDDEN}data_platform_only"

TRACE = "trace_id"  # of the run's trace, where traces are exported
DECIDED = f"{HIDDEN}data_platform_decided"  # when its sensor began to look, in seconds since 1970

BACKFILL_ID_TAG = "dagster/backfill"  # the backfill that launched a run
# Dagster's own retries would come on top of the sensors'.
NO_RETRIES: Mapping[str, str] = {"dagster/max_retries": "0"}

RUN_CONFIG = {"loggers": {"console": {"config": {}}}}
# For callers that print a failure's reasons themselves.
WITHOUT_FAILURES = {"loggers": {"console": {"config": {"failures": False}}}}

RECONCILIATION = "landing_reconciliation"  # the job
MOST_ATTEMPTS = 5  # runs that may try an object before it is given up
