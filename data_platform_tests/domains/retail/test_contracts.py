import pytest

from data_platform.contracts.contract import Contract
from data_platform.domains.retail.contracts import (
    CustomerSegment,
    DailySales,
    OrderLine,
    ProductDemand,
)
from data_platform.domains.retail.landing import ONLINE_RETAIL

CONTRACTS = (OrderLine, DailySales, CustomerSegment, ProductDemand)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.table)
def test_every_column_is_described(contract: Contract) -> None:
    assert contract.description
    assert [column.name for column in contract.columns if not column.description] == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.table)
def test_the_customers_number_is_the_only_personal_column(contract: Contract) -> None:
    personal = {column.name for column in contract.columns if column.sensitivity == "personal"}
    assert personal == {column.name for column in contract.columns} & {"customer_id"}


@pytest.mark.parametrize(
    ("key", "partition"),
    [
        ("online_retail/2011-03-04.csv", "2011-03-04"),
        ("online_retail/2011-03-04-late.csv", "2011-03-04"),
        ("online_retail/2011-03-04.part2.csv", "2011-03-04"),
        ("online_retail/2011-03-04_.csv", "2011-03-04"),
        ("online_retail/2011-02-30.csv", None),
        ("online_retail/2011-03-041.csv", None),
        ("online_retail/2011-03-04.csv.gz", None),
        ("online_retail/2011-03-04.csv\n", None),
        ("online_retail/2011-03-04-a/b.csv", None),
        ("online_retail/sub/2011-03-04.csv", None),
        ("other/online_retail/2011-03-04.csv", None),
    ],
)
def test_the_date_in_the_key_is_the_partition(key: str, partition: str | None) -> None:
    assert ONLINE_RETAIL.partition_of(key) == partition
