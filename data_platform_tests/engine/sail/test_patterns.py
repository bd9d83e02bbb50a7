import pytest

from data_platform.contracts.checks import in_engines, whole
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.patterns import (
    Unwritable,
    for_function,
    is_of_whole_text,
    is_plain_replacement,
    match_problem,
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
        (r"\p{Lu}\x41\t", r"\p{Lu}\x41\t"),
    ],
)
def test_a_pattern_of_java_is_written_for_rust(of_java: str, of_rust: str) -> None:
    assert pattern_for_sail(of_java) == of_rust


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
        ("[]a]", "within a set"),
        ("[a", "without an end"),
        (r"[!-\d]", "end of a range"),
        (r"[\w-z]", "end of a range"),
        (r"\bword", "a word boundary"),
    ],
)
def test_what_has_no_equal_in_rust_is_refused_with_the_way_out(pattern: str, why: str) -> None:
    with pytest.raises(Unwritable, match=why):
        pattern_for_sail(pattern)


def test_an_end_of_line_is_written_at_the_end_and_where_only_a_match_is_asked_for() -> None:
    assert pattern_for_sail("a$", only_whether=True).endswith(r")?\z")
    with pytest.raises(Unwritable):
        pattern_for_sail("a$|b", only_whether=True)


@pytest.mark.parametrize("pattern", [whole("C?[0-9]{6}"), "^a|b", r"\w+@\w+$", "[^,]*"])
def test_patterns_of_checks_are_taken(pattern: str) -> None:
    assert match_problem(in_engines(pattern)) is None


@pytest.mark.parametrize("pattern", ["x*", "", "a|", r"\p{L}*"])
def test_a_split_by_what_may_match_the_empty_text_is_refused(pattern: str) -> None:
    with pytest.raises(EngineDifference, match="the empty text"):
        for_function("split", pattern, None)
    assert for_function("rlike", pattern, None) == pattern


@pytest.mark.parametrize("pattern", [r"\s+", r"\p{L}", ","])
def test_a_split_by_what_matches_something_is_written(pattern: str) -> None:
    assert for_function("split", pattern, None) == pattern_for_sail(pattern)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        *(("-", True), ("$1", True), ("<$0>", True), ("$2", False), ("$1a", False)),
        *((r"\$", False), ("${1}", False), ("$", False), ("$1$", False)),
    ],
)
def test_a_replacement_is_plain_if_it_names_groups_that_are_there(text: str, plain: bool) -> None:
    assert is_plain_replacement(text, r"(?:x)[(](\d)") == plain


@pytest.mark.parametrize(
    ("pattern", "whole"),
    [
        *((r"^(?:a|b)\z", True), (r"^(?:(?:a)(b)[)(])\z", True), (r"^(?:\))\z", True)),
        *((r"^(?:a)(?:b)\z", False), (r"^(?:a)|(?:b)\z", False), (r"^a\z", False)),
        *((r"(?:a)\z", False), (r"^(?:a)", False), (r"^(?:[\D]+[)])\z", True)),
    ],
)
def test_a_pattern_of_the_whole_text_is_one_group_between_both_ends(
    pattern: str, whole: bool
) -> None:
    assert is_of_whole_text(pattern) == whole
