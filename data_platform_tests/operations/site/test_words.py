"""What the pages say in words."""

import datetime as dt
import re

import pytest

from data_platform.contracts.spec import Check
from data_platform.lake.attempts import RunFigures
from data_platform.lake.upkeep.browse import SnapshotFigures
from data_platform.operations.site import words
from data_platform.operations.site.facts import Version

NOON = dt.datetime(2011, 3, 4, 12, tzinfo=dt.UTC)


def commit(run: str = "0123456789") -> SnapshotFigures:
    return SnapshotFigures(1, NOON, run, 2, 90, 5, 1200, True)


def check(kind: str, description: str = "", **arguments: object) -> Check:
    return Check(f"a.{kind}", kind, arguments, "blocking", description)


def test_a_version_says_what_was_published_from_how_many_rows() -> None:
    told = words.version(Version(commit(), RunFigures(2, 90, 7, 3)))

    assert told == (
        "run 01234567 published 2 partitions from 100 rows: 90 published, 7 quarantined, "
        "3 duplicates; the table then had 1,200 rows"
    )


def test_a_version_that_the_register_does_not_know_says_what_it_changed() -> None:
    told = words.version(Version(commit(""), None))

    assert "added 90 and removed 5 rows; the table then had 1,200 rows" in told


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (
            check("greater_than_or_equal_to", "greater_than_or_equal_to(0)", min_value=0),
            "at least 0",
        ),
        (check("isin", "isin(...)", allowed_values=["b", "a"]), "one of a, b"),
        (
            check("str_length", "str_length(1, None)", min_value=1, max_value=None),
            "length at least 1",
        ),
        (check("in_range", "in_range(1, 2)", min_value=1, max_value=2), "from 1 to 2"),
        (check("str_matches", "str_matches(x)", pattern=re.compile("x+")), "begins as `x+`"),
        (check("equal_to", "no other value is sold", value=1), "no other value is sold"),
        (check("typed", "can be read"), "can be read"),
    ],
)
def test_a_rule_is_told_as_described_or_by_what_it_compares_with(of: Check, told: str) -> None:
    assert words.rule(of) == told


def test_a_description_has_paragraphs_and_code_and_no_other_markup() -> None:
    assert words.prose("A `b`\nc.\n\n<script>x</script>") == (
        "<p>A <code>b</code> c.</p><p>&lt;script&gt;x&lt;/script&gt;</p>"
    )
    assert "<img" not in words.prose("`<img src=x>`")


def test_moments_are_told_in_utc() -> None:
    east = NOON.astimezone(dt.timezone(dt.timedelta(hours=5)))

    assert words.moment(east) == words.moment(NOON.replace(tzinfo=None)) == words.moment(NOON)
    assert 'datetime="2011-03-04T12:00:00Z"' in words.moment(NOON)
    assert words.moment(None) == "never"


@pytest.mark.parametrize(("count", "told"), [(1, "1 byte"), (1536, "1.5 KiB"), (2**40, "1.0 TiB")])
def test_sizes_are_told_in_units(count: int, told: str) -> None:
    assert words.size(count) == told
