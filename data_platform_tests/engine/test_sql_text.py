"""What is told of a SQL expression by its tokens."""

import pytest

from data_platform.engine.sql_text import SqlText, read_text


@pytest.mark.parametrize(
    "text",
    [
        "v > 1",
        "k IN ('a', 'select')",
        'upper( k ) || "from"',
        "transform(xs, x -> x + 1)",
        "CASE WHEN (v > 1) THEN (1) ELSE (2) END",
        "CAST(v AS decimal(10, 2))",
        "a.`over`[0].b = 'it''s'",
        r"regexp_extract(k, '(\\d+)', 1)",
        "date '2011-03-01' + interval 1 day",
    ],
)
def test_an_expression_of_known_functions_is_of_a_row(text: str) -> None:
    assert read_text(text, aggregates=False) == SqlText()


@pytest.mark.parametrize(
    "text",
    [
        *("", "v > (SELECT 1)", "v IN (FROM t SELECT v)", "(TABLE t)", "(VALUES 1)", "(MAP v)"),
        *("EXISTS (WITH t AS (VALUES 1) TABLE t)", "sum(v) OVER (PARTITION BY k)"),
        *("rand()", "RAND ()", "rand/* */()", "v -- rand\n()", "`rand`()", '"rand"()', "'rand'()"),
        *("my_function(v)", "shop.upper(k)", "uuid()", "monotonically_increasing_id()", "sum(v)"),
        *("row_number()", "identifier('rand')()", "reflect('java.util.UUID', 'randomUUID')"),
        # Of a string that ends later, or earlier, than it seems.
        r"k = 'a\' OR rand() > '\'",
        r"k = r'\' OR rand() > 0 OR k = '\'",
        "k = '${x}'",
        "window(at, '1 day')",
        "v; rand()",
        "upper(k)('x",
    ],
)
def test_nothing_is_told_of_an_expression_that_may_be_of_other_rows(text: str) -> None:
    assert read_text(text, aggregates=False) is None


def test_aggregates_are_told_where_they_may_be() -> None:
    assert read_text("sum(v) / count(*)", aggregates=True) == SqlText(aggregates=True)
    assert read_text("v + 1", aggregates=True) == SqlText()
    assert read_text("sum(rand())", aggregates=True) is None
    assert read_text("row_number()", aggregates=True) is None


def test_a_name_is_told_with_its_alias() -> None:
    assert read_text("day", aggregates=False) == SqlText("day")
    assert read_text("a.`day`", aggregates=False) == SqlText("a.`day`")
    assert read_text("a.day AS `d`", aggregates=False) == SqlText("a.day", "d")
    assert read_text("null", aggregates=False) == SqlText()
    assert read_text("v + 1 AS day", aggregates=False) == SqlText()


def test_a_generator_is_told() -> None:
    read = read_text("explode(xs)", aggregates=False)
    assert read and read.generates
