"""The price of storage: list prices as data, and the setting that overrides them."""

from collections.abc import Mapping

from data_platform.settings.model import Settings

# S3 Standard, US dollars for a GB (2^30 bytes) and month, of the first 50 TB, by AWS's price list.
AS_OF = "2025-06"
STANDARD_PRICES: Mapping[str, float] = {
    "ap-northeast-1": 0.025,
    "ap-south-1": 0.025,
    "ap-southeast-1": 0.025,
    "ap-southeast-2": 0.025,
    "eu-central-1": 0.0245,
    "eu-north-1": 0.023,
    "eu-west-1": 0.023,
    "eu-west-2": 0.024,
    "us-east-1": 0.023,
    "us-east-2": 0.023,
    "us-west-2": 0.023,
}


def price(settings: Settings) -> float | None:
    """US dollars per GB and month; None if the price is not known."""
    if settings.storage_price is not None:
        return settings.storage_price
    # A store other than AWS has no list price, and a directory has no region.
    on_aws = settings.warehouse_uri.startswith("s3://") and not settings.aws_endpoint
    return STANDARD_PRICES.get(settings.aws_region) if on_aws else None


def monthly_cost(size: int, price: float | None) -> float | None:
    """US dollars a month for `size` bytes if all were in S3 Standard; None without a price."""
    return None if price is None else size / 2**30 * price
