"""What can be told of a SQL expression without a parser: from its tokens alone.

A Spark Connect plan holds SQL expressions (`F.expr`, `where("v > 1")`) as text, which the server
parses. Here a text is understood if no token of it can begin a query, and every function it calls
has a known name; otherwise nothing is known of it.
"""

import re
from dataclasses import dataclass

from data_platform.engine.function_names import AGGREGATES, CLOCKS, GENERATORS, OF_A_ROW

# A backslash before a quote ends a string or not, depending on the session; such a text matches no
# pattern here.
_TOKEN = re.compile(
    r"""
    (?P<space> \s+ )
    | (?P<refused> -- | /\* )
    | (?P<quoted> '(?:[^'\\]|\\[^'"])*' | "(?:[^"\\]|\\[^'"])*" | `(?:[^`]|``)*` )
    | (?P<word> [^\W\d]\w* )
    | (?P<number> \d\w* )
    | (?P<symbol> [-+*/%&|^~!=<>().,:\[\]] )
    """,
    re.VERBOSE,
)
# Words that begin or continue a query, or a window.
_REFUSED = frozenset({"select", "from", "with", "table", "values", "using", "over"})
# Words that begin a query, unless they are functions.
_ONLY_CALLED = frozenset({"map", "reduce", "exists"})
# Words before a parenthesis that call no function, and functions that are SQL's alone.
_KEYWORDS = frozenset(
    {"and", "or", "not", "in", "when", "then", "else", "case", "as", "between", "like", "rlike"}
    | {"is", "distinct"}
)
_OF_SQL = frozenset(
    {"bigint", "binary", "boolean", "cast", "char", "date", "dec", "decimal", "double", "float"}
    | {"if", "int", "mod", "numeric", "smallint", "string", "timestamp", "tinyint", "try_cast"}
    | {"varchar"}
)
_CALLED = OF_A_ROW | GENERATORS | _KEYWORDS | _OF_SQL
_LITERALS = frozenset({"null", "true", "false"})


@dataclass(frozen=True)
class SqlText:
    """A SQL expression of which each value depends on one row, or on one group of rows.

    `column`: the name if the expression is just a column, with `alias` if it is renamed.
    `generates`: it may give several rows or columns; `aggregates`: one row for many; `clock`: it
    may depend on the time of the query.
    """

    column: str | None = None
    alias: str | None = None
    generates: bool = False
    aggregates: bool = False
    clock: bool = False


def read_text(text: str, *, aggregates: bool) -> SqlText | None:
    """What is known of an expression; None if nothing. `aggregates`: whether it may have any."""
    tokens = tokens_of(text)
    if not tokens or not all(_is_plain(tokens, at, aggregates) for at in range(len(tokens))):
        return None
    words = [token.lower() for _, token in tokens]
    name, alias = tokens, None
    if len(tokens) > 2 and words[-2] == "as" and _is_name(tokens[-1]):
        name, alias = tokens[:-2], tokens[-1][1].strip("`")
    column = "".join(token for _, token in name) if _is_column(name) else None
    return SqlText(
        column,
        alias if column else None,
        generates=not GENERATORS.isdisjoint(words),
        aggregates=not AGGREGATES.isdisjoint(words),
        clock=not CLOCKS.isdisjoint(words),
    )


def tokens_of(text: str) -> list[tuple[str, str]]:
    """The kinds and texts of the tokens, without space; empty if there is anything else."""
    if "${" in text:  # a variable, which the server replaces before it parses the text
        return []
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup in (None, "refused"):
            return []
        if token.lastgroup != "space":
            found.append((token.lastgroup, token[0]))
        at = token.end()
    return found


def _is_plain(tokens: list[tuple[str, str]], at: int, aggregates: bool) -> bool:
    kind, token = tokens[at]
    called = at + 1 < len(tokens) and tokens[at + 1][1] == "("
    if kind == "quoted":
        return not called
    if kind != "word":
        return True
    word = token.lower()
    if called:
        of_a_schema = at > 0 and tokens[at - 1][1] == "."
        known = word in _CALLED or (aggregates and word in AGGREGATES)
        return known and not of_a_schema and word not in _REFUSED
    return word not in _REFUSED and word not in _ONLY_CALLED


def _is_column(tokens: list[tuple[str, str]]) -> bool:
    """Whether the tokens are a name: `day`, ``a.`day` ``."""
    return len(tokens) % 2 == 1 and all(
        _is_name(token) if at % 2 == 0 else token[1] == "." for at, token in enumerate(tokens)
    )


def _is_name(token: tuple[str, str]) -> bool:
    kind, text = token
    return (kind == "word" and text.lower() not in _LITERALS) or text.startswith("`")
