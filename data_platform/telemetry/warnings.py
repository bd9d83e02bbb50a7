"""Library warnings that a user of the platform cannot act on."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


def accept_backfill_policies() -> None:
    """Backfill policies are beta in the pinned Dagster, and every table has one."""
    warnings.filterwarnings("ignore", r"Parameter .backfill_policy.", dg.BetaWarning)


@contextmanager
def previews_accepted() -> Iterator[None]:
    """Partitioned asset checks are a preview feature of Dagster, whose version is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
