import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.lake.builds import Build
from data_platform.quality.freshness import digest, is_stale
from data_platform.tables.identity import TableId

LINES = TableId("silver", "retail", "order_lines")
DAYS = st.dates(dt.date(2010, 1, 1), dt.date(2013, 1, 1))


def _build(inputs: str, contract: str, state: str = "published") -> Build:
    now = dt.datetime(2011, 3, 4)
    return Build(str(LINES), "k", "a", "r", state, contract, inputs, 1, 0, 0, now)  # type: ignore[arg-type]


READS = st.sets(
    st.tuples(st.just(LINES), DAYS.map(str), st.sampled_from(["a1", "a2", "b1"])), max_size=8
)


@given(READS, READS, st.randoms())
def test_a_digest_tells_sets_of_inputs_apart_and_not_their_order(one, other, random) -> None:
    shuffled = list(one)
    random.shuffle(shuffled)

    assert digest(shuffled) == digest(one)
    assert (digest(one) == digest(other)) == (one == other)


@pytest.mark.parametrize(
    ("published", "latest", "stale"),
    [
        (None, None, True),  # never built
        (_build("i", "c"), _build("i", "c"), False),
        (_build("old", "c"), _build("old", "c"), True),  # inputs changed
        (_build("i", "old"), _build("i", "old"), True),  # contract changed
        (None, _build("i", "c", "held_back"), False),  # it would be held back again
        (_build("old", "c"), _build("i", "c", "held_back"), False),
        (_build("old", "c"), _build("other", "c", "held_back"), True),  # fixed, or worse
        (_build("old", "c"), _build("i", "old", "held_back"), True),  # judged by another contract
        # back to what the published version is of: its checks fail until it is judged again
        (_build("i", "c"), _build("other", "c", "held_back"), True),
        (_build("i", "c"), _build("i", "other", "held_back"), True),
        # published by a run whose commit was lost to another: built, yet not what is there
        (None, _build("i", "c"), True),
        (_build("i", "c"), replace(_build("i", "c"), attempt="killed"), True),
    ],
)
def test_a_partition_is_stale_where_building_it_would_say_something_new(
    published: Build | None, latest: Build | None, stale: bool
) -> None:
    assert is_stale(published=published, latest=latest, inputs="i", contract="c") is stale
