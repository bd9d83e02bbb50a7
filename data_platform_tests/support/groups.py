"""Random aggregates and windows of the functions that tables use (see `expressions`)."""

from hypothesis import strategies as st
from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from data_platform_tests.support.expressions import (
    Exprs,
    days,
    decimals,
    doubles,
    ints,
    moments,
    texts,
    truths,
)

NUMBER = "n"  # of a row: it makes every order a total one
KEYS = ("b", "s", "m", "d", "day")

_plain: Exprs = st.one_of(
    *(of(1) for of in (ints, decimals, texts, days, moments, truths)), doubles(0)
)
_numbers: Exprs = st.one_of(ints(1), decimals(1))
_small: Exprs = st.sampled_from(("i", "j")).map(lambda name: F.col(name) % 100)


def _listed(of: Column) -> Column:
    return F.sort_array(F.collect_list(of))


aggregates: Exprs = st.one_of(
    *(st.builds(of, _plain) for of in (F.min, F.max, F.count, F.count_distinct)),
    st.builds(lambda a: F.size(F.collect_set(a)), st.one_of(ints(1), texts(1), days(1))),
    st.builds(_listed, st.one_of(ints(1), days(1), texts(0), decimals(0))),
    st.builds(F.sum, _numbers),
    st.builds(lambda c, a: F.sum(F.when(c, a).otherwise(0)), truths(1), _numbers),
    *(st.builds(of, _small) for of in (F.avg, F.stddev, F.var_pop)),
    *(st.builds(of, truths(1)) for of in (F.bool_and, F.bool_or, F.count_if)),
    st.builds(lambda a: F.max_by(NUMBER, F.struct(a, NUMBER)), st.one_of(ints(1), days(1))),
    st.builds(lambda a: F.max(F.struct(a, NUMBER))[NUMBER], _plain),
    st.builds(lambda a, b: F.max(F.struct(a, b.alias("b"), NUMBER))[NUMBER], _plain, _plain),
)


@st.composite
def windows(draw: st.DrawFn) -> Column:
    """A function over a window whose order is total."""
    by = draw(st.sampled_from(KEYS))
    first = draw(_plain)
    order = draw(
        st.sampled_from(
            [
                first.asc_nulls_first(),
                first.asc_nulls_last(),
                first.desc_nulls_first(),
                first.desc_nulls_last(),
                first.asc(),
                first.desc(),
            ]
        )
    )
    over = Window.partitionBy(by).orderBy(order, NUMBER)
    until = over.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    around = over.rowsBetween(-draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    peers = Window.partitionBy(by).orderBy(order)
    of, at = draw(_plain), draw(st.integers(1, 2))
    return draw(
        st.sampled_from(
            [
                F.row_number().over(over),
                F.rank().over(peers),
                F.dense_rank().over(peers),
                F.percent_rank().over(peers),
                F.cume_dist().over(peers),
                F.ntile(3).over(over),
                F.lag(of, at).over(over),
                F.lead(of, at).over(over),
                F.first(of).over(until),
                F.first(of, ignorenulls=True).over(until),
                F.last(of, ignorenulls=True).over(until),
                F.max(of).over(around),
                F.count(of).over(peers),
                F.sum(F.col("j")).over(around),
                F.sum(F.col("m")).over(until),
            ]
        )
    )
