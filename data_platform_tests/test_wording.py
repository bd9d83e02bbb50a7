import pytest

from data_platform.telemetry.wording import counted, unknown


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (24063, "24,063 rows")]
)
def test_one_of_a_thing_is_no_plural(number: int, said: str) -> None:
    assert counted(number, "row") == said


def test_a_plural_of_its_own_is_given() -> None:
    assert counted(2, "day of the month", "days of the month") == "2 days of the month"


def test_an_unknown_name_is_answered_with_all_there_are_where_none_is_near() -> None:
    assert unknown("role", "king", ["serve", "audit"]) == (
        "there is no role 'king'; there are: serve, audit"
    )
    assert unknown("role", "king", []) == "there is no role 'king'; there are none"
