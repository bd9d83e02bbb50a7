import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

import pytest

from data_platform.landing.patterns import always_has_group
from data_platform_tests.support.upstream import parameters


@pytest.mark.parametrize(
    ("pattern", "always"),
    [
        (r"(\d+)", True),
        (r"(?:a(\d+))+", True),
        (r"(?>(\d+))", True),
        (r"(?=(\d+))", True),
        (r"(\d+)?", False),
        (r"(?:(\d+)|b)", False),
        (r"(?:a(\d+))*+", False),
        (r"(?!(\d+))", False),
        (r"(?:b)(\d+)|(c)", False),
    ],
)
def test_a_group_is_always_there_unless_something_around_it_is_optional(
    pattern: str, always: bool
) -> None:
    assert always_has_group(re.compile(pattern), 1) is always


def test_python_parses_a_pattern_as_a_list_of_operators_with_what_they_are_of() -> None:
    assert parameters(parser.parse) == "str, flags=, state="
    [(repeat, (least, most, [(group, (number, *_, [literal]))]))] = parser.parse("(a){2,3}")

    assert (repeat, group) == (op.MAX_REPEAT, op.SUBPATTERN)
    assert (least, most, number) == (2, 3, 1)
    assert literal == (op.LITERAL, ord("a"))


@pytest.mark.parametrize(
    "operator",
    [
        *("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT", "SUBPATTERN"),
        *("BRANCH", "GROUPREF_EXISTS", "ATOMIC_GROUP", "ASSERT"),
    ],
)
def test_python_has_the_operators_that_may_hold_a_group(operator: str) -> None:
    assert hasattr(op, operator)
