"""A backfill as the UI launches it."""

from collections.abc import Sequence
from typing import Any

LAUNCH_BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""


def backfill_of(assets: Sequence[str], partitions: Sequence[str]) -> dict[str, Any]:
    """The variables of LAUNCH_BACKFILL."""
    selection = [{"path": asset.split("/")} for asset in assets]
    return {"params": {"assetSelection": selection, "partitionNames": [*partitions]}}
