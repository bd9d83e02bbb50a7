"""Report places in the settings that are not the standard's, and so are not managed here."""

import re
from urllib.parse import urlsplit

from data_platform.buckets.account import Account
from data_platform.buckets.standard import Purpose, QueuePurpose, name_of
from data_platform.settings.model import Settings

# `sqs.eu-west-1.amazonaws.com`; older addresses of us-east-1 name no region.
_REGION = re.compile(r"(?:^|\.)([a-z]{2}(?:-[a-z]+)+-\d+)\.")


def unmanaged_places(settings: Settings, account: Account) -> dict[str, str]:
    """A message for each place that is not the standard's, by what it is for."""
    found = {
        "warehouse": unmanaged_warehouse(settings),
        "landing": unmanaged_landing(settings),
        "queue": _queue_elsewhere(settings, account),
    }
    return {what: said for what, said in found.items() if said}


def unmanaged_warehouse(settings: Settings) -> str:
    """A message naming the tables' bucket if it is not the standard's, else empty."""
    return _bucket_elsewhere(
        settings,
        Purpose.WAREHOUSE,
        f"DATA_PLATFORM_WAREHOUSE is {settings.warehouse_uri}: the tables are in",
        settings.warehouse_uri,
        "its tables move to no other storage class",
    )


def unmanaged_landing(settings: Settings) -> str:
    """A message naming the landing bucket if it is not the standard's, else empty."""
    return _bucket_elsewhere(
        settings,
        Purpose.RAW_LANDING,
        f"DATA_PLATFORM_LANDING is {settings.landing_uri}: what lands is in",
        settings.landing_uri,
        "the standard's queue is not notified of it",
    )


def _bucket_elsewhere(
    settings: Settings, purpose: Purpose, found: str, uri: str, consequence: str
) -> str:
    bucket = uri.removeprefix("s3://").partition("/")[0]
    expected = name_of(settings.project, purpose, settings.environment)
    if not uri.startswith("s3://") or bucket == expected:
        return ""
    return (
        f"{found} {bucket}, which is not the standard's {expected}; it is neither planned nor "
        f"audited here, and {consequence}"
    )


def _queue_elsewhere(settings: Settings, account: Account) -> str:
    """A message naming the queue if it is not the standard's, else empty."""
    url = settings.queue_url
    expected = name_of(settings.project, QueuePurpose.ARRIVALS, settings.environment)
    parts = urlsplit(url)
    regions = _REGION.findall(parts.hostname or "")
    here = not regions or account.region in regions
    if not url or (here and parts.path.endswith(f"/{account.id}/{expected}")):
        return ""
    return (
        f"DATA_PLATFORM_QUEUE is {url}, which is not the standard's {expected} of account "
        f"{account.id} in {account.region}; it is neither planned nor audited here"
    )
