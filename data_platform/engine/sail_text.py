"""What in a SQL text, which the server parses, Sail would compute otherwise than Spark."""

from data_platform.engine.sql_text import tokens_of

_ARITHMETIC = frozenset("+-*/%")
_BEFORE_A_SIGN = frozenset("(,[=<>!+-*/%")
_CALLED = frozenset(
    {"sum", "round", "bround", "datediff", "date_diff", "array_contains", "initcap", "concat"}
    | {"concat_ws", "regexp_like", "regexp_replace", "regexp_extract", "regexp_extract_all"}
    | {"regexp_count", "regexp_substr", "regexp_instr", "split", "negative", "string"}
)
_WORDS = frozenset({"rlike", "regexp", "div"})


def text_problem(text: str) -> str | None:
    """Why a SQL text is refused on Sail; None if it is not."""
    tokens = tokens_of(text)
    words = [token.lower() for _, token in tokens]
    found = None if tokens else "text that is not understood here"
    for at, word in enumerate(words):
        called = words[at + 1 : at + 2] == ["("]
        arithmetic = word in _ARITHMETIC and not _is_sign_or_star(words, at)
        if arithmetic or word in _WORDS or (word in _CALLED and called):
            found = repr(word)
            break
    return found and (
        f"the SQL text {text!r} has {found}, which Sail may compute otherwise than Spark; write it "
        "with functions of pyspark.sql.functions, or set DATA_PLATFORM_SPARK to local[*]"
    )


def _is_sign_or_star(words: list[str], at: int) -> bool:
    """`-1`, `count(*)`."""
    before = words[at - 1] if at else "("
    follows = words[at + 1 : at + 2]
    if words[at] == "*":
        return before in ("(", ".") and follows == [")"]
    return before in _BEFORE_A_SIGN and bool(follows) and follows[0][0].isdigit()
