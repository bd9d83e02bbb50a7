import pytest

from data_platform.contracts.checks import in_engines, whole
from data_platform.contracts.patterns import only_in_some_engines


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("a(?=b)", "look-around"),
        ("(?!a)b", "look-around"),
        ("(?<=a)b", "look-around"),
        ("[(]?(?<!a)b", "look-around"),
        (r"(a)\1", "reference"),
        (r"(?P<x>a)(?P=x)", "reference"),
        (r"(?<x>a)\k<x>", "reference"),
        ("(?>a+)b", "atomic"),
        ("a*+b", "atomic"),
        ("a{2}+", "atomic"),
    ],
)
def test_what_only_some_engines_can_match_is_found(pattern: str, what: str) -> None:
    assert what in str(only_in_some_engines(pattern))


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "C?[0-9]{6}",
        r"\(\?=b",
        "[(?=]b",
        r"[\]*+]",
        "[]*+]+",
        "(?i)a",
        "(?:a|b)+?",
        "(?P<x>a)",
        "(?<x>a)",
        r"\d\\1",
        r"\*\+",
        r"^\{\w+}+$",
        in_engines(whole("a*")),
    ],
)
def test_what_every_engine_can_match_passes(pattern: str) -> None:
    assert only_in_some_engines(pattern) is None
