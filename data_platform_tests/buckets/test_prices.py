import pytest

from data_platform.buckets.prices import STANDARD_PRICES, monthly_cost, price
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings


def settings(**other) -> Settings:
    s3 = {"warehouse_uri": "s3://acme-warehouse-test", "aws_region": "eu-central-1"}
    return settings_at("/home/acme", **{**s3, **other})


def test_the_price_is_the_regions() -> None:
    assert price(settings()) == STANDARD_PRICES["eu-central-1"]


def test_ones_own_price_goes_first() -> None:
    assert price(settings(storage_price=0.01)) == 0.01
    assert price(settings(storage_price=0.0)) == 0.0


@pytest.mark.parametrize(
    "other",
    [
        {"aws_region": "mars-north-1"},
        {"aws_endpoint": "http://localhost:9000"},
        {"warehouse_uri": "file:///home/acme/warehouse"},
    ],
)
def test_what_has_no_list_price_has_no_cost(other: dict) -> None:
    assert price(settings(**other)) is None
    assert monthly_cost(2**40, None) is None


def test_a_terabyte_costs_1024_gigabytes() -> None:
    assert monthly_cost(2**40, 0.023) == pytest.approx(23.552)
