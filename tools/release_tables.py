"""Which version of the platform's tables a revision of a release knows.

The chart names the version to which its image migrates them, in an annotation that the job of a
revision that migrates has, too. Helm keeps the job, and how it ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_TABLES = "data-platform/tables"
# Of a hook: not begun, or failed, and it migrates all or nothing. Helm stores "Running" when a hook
# begins and how it ended with the whole upgrade only; "Unknown" is one that Helm did not wait for.
_NOT_MIGRATED = ("", "Failed")


@dataclass(frozen=True)
class Tables:
    """The version of the tables that a revision knows, and whether it has migrated them to it, or
    may have."""

    version: str
    migrated: bool


def tables_in(status: Mapping[str, Any]) -> Tables | None:
    """What a revision says of the tables, from `helm status` as JSON. None if it does not migrate
    them, as that of a branch, or does not say to which version."""
    for hook in status.get("hooks", ()):
        annotations = yaml.safe_load(hook["manifest"])["metadata"].get("annotations")
        if version := (annotations or {}).get(_TABLES):
            return Tables(version, hook["last_run"]["phase"] not in _NOT_MIGRATED)
    return None


def tables_of_chart(chart: Path) -> str:
    """The version to which the image of this chart migrates the tables."""
    return yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))["annotations"][_TABLES]
