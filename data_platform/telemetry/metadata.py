"""Metadata of Dagster's events that the platform itself reads."""

from collections.abc import Mapping

HELD_BACK = "held_back"  # on a failure caused only by checks of partitions
SILENT: Mapping[str, bool] = {"data_platform/silent": True}  # on outputs that are not logged
