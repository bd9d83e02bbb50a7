import pytest

from data_platform.access.ranges import as_ranges


@pytest.mark.parametrize(
    ("keys", "written"),
    [
        ([], ""),
        (["2011-03-01"], "2011-03-01"),
        (["2011-03-02", "2011-03-01", "2011-03-02"], "2011-03-01..2011-03-02"),
        (
            ["2011-02-27", "2011-02-28", "2011-03-01", "2011-03-03"],
            "2011-02-27..2011-03-01, 2011-03-03",
        ),
        (["2011-11-01", "2011-12-01", "2012-01-01"], "2011-11-01..2012-01-01"),
        (["2011-11-01", "2012-01-01"], "2011-11-01, 2012-01-01"),
        (["EIRE", "France"], "EIRE, France"),
        (["2011-03-01-10:00", "2011-03-01-11:00"], "2011-03-01-10:00, 2011-03-01-11:00"),
    ],
)
def test_days_and_months_in_a_row_are_ranges_and_other_keys_stand_alone(
    keys: list[str], written: str
) -> None:
    assert as_ranges(keys) == written
