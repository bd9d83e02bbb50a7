import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.landing.formats.csv_header import difference

COLUMNS = ("id", "customer_id", "quantity", "price")


def said(text: str, delimiter: str = ",", columns: tuple[str, ...] = COLUMNS) -> str:
    return difference(columns, text.split(delimiter), text, delimiter)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("id,customer_id,quantity", "missing 'price'"),
        ("id,customer_id,quantity,price,note", "unexpected 'note'"),
        ("id,custmer_id,quantity,price", "'custmer_id' for 'customer_id' (misspelt?)"),
        ("id,customer_id,Quantity,price", "'Quantity' for 'quantity' (upper and lower case)"),
        ("id, customer_id,quantity,price", "' customer_id' for 'customer_id' (blanks)"),
        ("id,id,quantity,price", "missing 'customer_id'; twice 'id'"),
        ("price,id,zebra,quantity", "missing 'customer_id'; unexpected 'zebra'"),
    ],
)
def test_only_the_difference_is_told(header: str, expected: str) -> None:
    assert said(header) == f"wrong header: {expected} (the order of the columns is free)"


def test_another_delimiter_is_told_with_the_way_out() -> None:
    assert said("id;customer_id;quantity;price") == (
        "wrong header: its columns are separated by semicolons; declare Csv(delimiter=';')"
    )
    assert "tabs; declare Csv(delimiter='\\t')" in said('"id"\t"Customer_ID"\tquantity\tprice')


def test_a_first_line_of_values_is_a_missing_header() -> None:
    assert said("1,17850,6,2.55") == (
        "wrong header: none of the 4 columns is in the first line, which looks like a row of data; "
        "the header line is missing"
    )
    assert said("Ann,Smith,Dover") == (
        "wrong header: none of the 4 columns is in the first line, which has 3 fields and may be a "
        "row of data; missing 'id', 'customer_id', 'quantity', 'price'"
    )


def test_of_many_names_some_are_told() -> None:
    columns = tuple(f"c{number}{'x' * number}" for number in range(100))
    message = said(",".join(columns[:50]), columns=columns)
    assert "and 45 more" in message
    assert len(message) < 600


name = st.text(min_size=1, max_size=8)


@given(st.lists(name, min_size=1, max_size=6, unique=True), st.lists(name, min_size=1, max_size=6))
def test_every_difference_is_told(columns: list[str], header: list[str]) -> None:
    message = difference(columns, header, ",".join(header), ",")
    assert message.startswith("wrong header: ")
    told = "separated by" in message or "looks like a row of data" in message
    for missing in {*columns} - {*header}:
        assert told or repr(missing) in message or "more" in message
