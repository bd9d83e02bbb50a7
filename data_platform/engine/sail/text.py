"""Refuse SQL text that Sail may compute differently from Spark."""

from collections.abc import Callable

from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.functions import CALLS, OF_TEXTS
from data_platform.engine.sql_text import tokens_of

_ARITHMETIC = frozenset("+-*/")
_BEFORE_A_SIGN = frozenset("(,[=<>!+-*/%")
_WORDS = frozenset({"rlike", "regexp", "div", "case", "if", "collate"})
_TYPES = frozenset({"string", "varchar", "char", "decimal", "dec", "numeric"})
_FUNCTIONS = "functions of pyspark.sql.functions"
_INSTEAD = {"div": "F.call_function('div', a, b)", "collate": "F.lower of both texts"}


def require_text(text: str, has_doubles: Callable[[], bool]) -> None:
    """Raise EngineDifference for a SQL text that Sail may compute differently from Spark.

    `has_doubles`: whether a column that it may use has any, which Sail writes otherwise as text,
    and takes for other decimals.
    """
    tokens = tokens_of(text)
    words = [token.lower() for _, token in tokens]
    found, instead = "" if tokens else "what is not understood here", _FUNCTIONS
    for at, word in enumerate(words):
        if _differs(words, at) or (_casts(words, at) and has_doubles()):
            found, instead = repr(word), _INSTEAD.get(word, _FUNCTIONS)
            break
    if found:
        raise EngineDifference(
            f"the SQL text {text!r} has {found}, which Sail may compute differently from Spark; "
            f"write it with {instead}"
        )


def _differs(words: list[str], at: int) -> bool:
    word, called = words[at], words[at + 1 : at + 2] == ["("]
    if word in _ARITHMETIC:
        return not _is_sign_or_star(words, at)
    known = called and word in CALLS and word not in OF_TEXTS and word != "array"
    return known or (word in _WORDS and (word != "if" or called))


def _casts(words: list[str], at: int) -> bool:
    word, follows = words[at], words[at + 1 : at + 2]
    if word == "|":
        return follows == ["|"]
    is_type = word in _TYPES and (follows == ["("] or words[at - 1 : at] in (["as"], [":"]))
    return is_type or (word in OF_TEXTS and follows == ["("])


def _is_sign_or_star(words: list[str], at: int) -> bool:
    """`-1`, `count(*)`."""
    before = words[at - 1] if at else "("
    follows = words[at + 1 : at + 2]
    if words[at] == "*":
        return before in ("(", ".") and follows == [")"]
    return before in _BEFORE_A_SIGN and bool(follows) and follows[0][0].isdigit()
