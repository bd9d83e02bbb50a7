"""Warnings of libraries about themselves that a user of the platform can do nothing about."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


def accept_backfill_policies() -> None:
    """They are a beta in the pinned Dagster, and every table has one."""
    warnings.filterwarnings("ignore", r"Parameter .backfill_policy.", dg.BetaWarning)


@contextmanager
def previews_accepted() -> Iterator[None]:
    """Partitioned asset checks are a preview in the pinned Dagster; the pin is what we rely on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
