import re

import pytest

from data_platform.contracts.checks import in_engines, whole
from data_platform.engine.sail_patterns import (
    Unwritable,
    is_plain_replacement,
    match_problem,
    matches_nothing,
    pattern_for_sail,
)


@pytest.mark.parametrize(
    ("of_java", "of_rust"),
    [
        ("C?[0-9]{6}", "C?[0-9]{6}"),
        (r"\d{4}-\D", "[0-9]{4}-[^0-9]"),
        (r"[\d.]+[^\w-]", "[0-9.]+[^a-zA-Z_0-9-]"),
        (r"[\S]", r"[[^ \t\n\x0B\f\r]]"),
        ("a.b", r"a[^\n\r\x{85}\x{2028}\x{2029}]b"),
        (r"\.\<\é", r"\.<é"),
        (r"(?:a)(?<name>b)(c)", r"(?:a)(?<name>b)(c)"),
        (r"[(?=]\(?a", r"[(?=]\(?a"),
        (r"[]a]\z", None),
        (r"\p{Lu}\x41\t", r"\p{Lu}\x41\t"),
    ],
)
def test_a_pattern_of_java_is_written_for_rust(of_java: str, of_rust: str | None) -> None:
    if of_rust is not None:
        assert pattern_for_sail(of_java) == of_rust
        return
    with pytest.raises(Unwritable, match=r"without an end|within a set"):
        pattern_for_sail("[]a")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a)\1", "a reference to a group"),
        ("a(?=b)", "look-around"),
        ("(?<!a)b", "look-around"),
        ("(?>a)", "an atomic group"),
        ("a++", "possessive"),
        ("a{2}+", "possessive"),
        ("(?i)a", "a flag"),
        ("a$", r"write \\z"),
        (r"a\Z", r"the escape '\\\\Z'"),
        (r"\h", "the escape"),
        ("[a&&b]", "'&&' within a set"),
        ("[[a]b]", "within a set"),
        (r"[\Q]", "the escape"),
    ],
)
def test_what_has_no_equal_in_rust_is_refused_with_the_way_out(pattern: str, why: str) -> None:
    with pytest.raises(Unwritable, match=why):
        pattern_for_sail(pattern)


def test_the_end_of_a_line_is_written_where_only_a_match_is_asked_for() -> None:
    ends = pattern_for_sail("a$", only_whether=True)

    assert re.search(
        ends.replace(r"\z", r"\Z").replace("x{85}", "x85").replace("x{", "u").replace("}", ""),
        "a\n",
    )
    with pytest.raises(Unwritable):
        pattern_for_sail("a$|b", only_whether=True)


@pytest.mark.parametrize("pattern", [whole("C?[0-9]{6}"), "^a|b", r"\w+@\w+$", "[^,]*"])
def test_patterns_of_checks_are_taken(pattern: str) -> None:
    assert match_problem(in_engines(pattern)) is None


def test_patterns_that_match_the_empty_text_are_known() -> None:
    assert matches_nothing("x*") and matches_nothing("") and matches_nothing("a|")
    assert not matches_nothing(r"\s+")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        *(("-", True), ("$1", True), ("<$0>", True), ("$2", False), ("$1a", False)),
        *((r"\$", False), ("${1}", False), ("$", False), ("$1$", False)),
    ],
)
def test_a_replacement_is_plain_if_it_names_groups_that_are_there(text: str, plain: bool) -> None:
    assert is_plain_replacement(text, r"(?:x)[(](\d)") == plain
