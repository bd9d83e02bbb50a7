import pytest

from data_platform.telemetry.wording import counted, nearest, unknown

TABLES = (
    "bronze/retail/order_lines",
    "silver/retail/order_lines",
    "gold/retail/daily_sales",
    "gold/retail/names",
)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (24063, "24,063 rows")]
)
def test_one_of_a_thing_is_no_plural(number: int, said: str) -> None:
    assert counted(number, "row") == said


def test_a_plural_of_its_own_is_given() -> None:
    assert counted(2, "day of the month", "days of the month") == "2 days of the month"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("silver/retail/orderlines", ["silver/retail/order_lines"]),
        ("gold/retail/daily_sale", ["gold/retail/daily_sales"]),
        ("gold/retail/order_lines", ["bronze/retail/order_lines", "silver/retail/order_lines"]),
        ("gold/retail/nothing", []),  # what it shares is what all tables of the domain share
        ("gold/retail/returns", []),
    ],
)
def test_a_near_name_is_one_whose_last_part_is_near(name: str, near: list[str]) -> None:
    assert nearest(name, TABLES) == near


def test_an_unknown_name_is_answered_with_all_there_are_where_none_is_near() -> None:
    assert unknown("role", "king", ["serve", "audit"]) == (
        "there is no role 'king'; there are: serve, audit"
    )
    assert unknown("role", "king", []) == "there is no role 'king'; there is none"
