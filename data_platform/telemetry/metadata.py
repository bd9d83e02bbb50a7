"""Metadata of Dagster's events that the platform itself reads again."""

from collections.abc import Mapping

HELD_BACK = "held_back"  # of a failure that is of partitions' checks alone
SILENT: Mapping[str, bool] = {"data_platform/silent": True}  # of an output that the log leaves out
