"""Regular expressions of Java, as Spark matches them, written for Rust, as Sail does."""

import re

from data_platform.engine.sail.difference import OTHERWISE, EngineDifference

_LINE_ENDS = r"\n\r\x{85}\x{2028}\x{2029}"
_CLASSES = {  # ASCII in Java, Unicode in Rust
    "d": "0-9",
    "w": "a-zA-Z_0-9",
    "s": r" \t\n\x0B\f\r",
}
_TOKEN = re.compile(
    r"""
    (?P<reference> \\[1-9] | \\k )
    | (?P<boundary> \\[bB] )
    | \\(?P<class> [dDwWsS] )
    | (?P<category> \\[pP](?:[A-Z]|\{[A-Z][a-z]?\}) )
    | (?P<escape> \\(?: [anrtfzA] | x[0-9a-fA-F]{2} | x\{[0-9a-fA-F]+\} | u[0-9a-fA-F]{4} ) )
    | \\(?P<literal> [^0-9A-Za-z] )
    | (?P<unknown> \\.? )
    | (?P<set> \[ )
    | (?P<group> \((?: \?: | \?<[A-Za-z][A-Za-z0-9]*> )? (?!\?) )
    | (?P<around> \(\?<?[=!] )
    | (?P<atomic> \(\?> | (?:[*+?]|\{\d+(?:,\d*)?\})\+ )
    | (?P<flags> \(\? )
    | (?P<dot> \. )
    | (?P<end> \$ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_REFUSED = {
    "reference": "a reference to a group, which Sail cannot match; write it without",
    "around": "look-around, which Sail cannot match; write it without",
    "atomic": "an atomic group or possessive repetition, which Sail cannot match; write it without",
    "boundary": "a word boundary, which depends on the version of Java; write it as a set",
    "flags": "a flag, which Sail reads otherwise; write it without, as in [aA]",
}


class Unwritable(ValueError):
    """What a pattern has that cannot be written for Sail, with the way out."""


def pattern_for_sail(pattern: str, *, only_whether: bool = False) -> str:
    r"""The pattern that matches the same on Sail; raises Unwritable.

    `only_whether`: it is only asked whether a text matches, not what of it does. Then a `$` at the
    end may be written, which Java also finds before a final line break.
    """
    made: list[str] = []
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        assert token is not None
        kind, text = token.lastgroup or "", token[0]
        if kind in _REFUSED:
            raise Unwritable(_REFUSED[kind])
        at = token.end()
        match kind:
            case "class":
                made.append(_class(token["class"]))
            case "literal":
                made.append(_literal(token["literal"]))
            case "unknown":
                raise Unwritable(f"the escape {text!r}, which Sail reads otherwise; write it out")
            case "set":
                text, at = _set(pattern, at)
                made.append(text)
            case "dot":
                made.append(f"[^{_LINE_ENDS}]")
            case "end" if only_whether and at == len(pattern):
                made.append(rf"(?:\r\n|[{_LINE_ENDS}])?\z")
            case "end":
                raise Unwritable(
                    r"a $, which also matches before a final line break on Spark; write \z"
                )
            case _:
                made.append(text)
    return "".join(made)


def _class(letter: str) -> str:
    members = _CLASSES[letter.lower()]
    return f"[^{members}]" if letter.isupper() else f"[{members}]"


def _literal(character: str) -> str:
    # `\<` is the start of a word in Rust, and only ASCII may be escaped.
    return character if character in "<>" or not character.isascii() else f"\\{character}"


def _set(pattern: str, at: int) -> tuple[str, int]:
    """A set of characters, whose bracket is before `at`, and where it ends."""
    made = ["["]
    if pattern[at : at + 1] == "^":
        made.append("^")
        at += 1
    first = at
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        assert token is not None
        text = token[0]
        if text == "]" and at > first:
            return "".join([*made, "]"]), at + 1
        if pattern.startswith(("&&", "--", "~~"), at) or text in ("[", "]"):
            raise Unwritable(
                f"{pattern[at : at + 2]!r} within a set of characters, which Sail reads otherwise; "
                "escape it"
            )
        follows = pattern[token.end() : token.end() + 2]
        before_range = follows[:1] == "-" and follows[1:] != "]"
        if token.lastgroup == "class" and (made[-1] == "-" or before_range):
            raise Unwritable(f"{text!r} as the end of a range; write it out")
        match token.lastgroup:
            case "class" if token["class"].islower():
                made.append(_CLASSES[token["class"]])
            case "class":
                made.append(_class(token["class"]))
            case "literal":
                made.append(_literal(token["literal"]))
            case "reference" | "boundary" | "unknown":
                raise Unwritable(f"the escape {text!r}, which Sail reads otherwise; write it out")
            case "escape" | "category":
                made.append(text)
            case _:
                text = pattern[at]
                made.append(text)
                at += 1
                continue
        at = token.end()
    raise Unwritable("a set of characters without an end")


def match_problem(pattern: str) -> str | None:
    """What a pattern has, with the way out, if Sail cannot find whether a text matches it."""
    try:
        pattern_for_sail(pattern, only_whether=True)
    except Unwritable as problem:
        return f"{problem}, {OTHERWISE}"
    return None


def for_function(name: str, pattern: str, replacement: str | None) -> str:
    """The pattern that a function is given on Sail; raises EngineDifference."""
    try:
        written = pattern_for_sail(pattern, only_whether=name in _WHETHER)
    except Unwritable as problem:
        raise EngineDifference(f"the pattern {pattern!r} has {problem}") from problem
    if name == "split" and _may_match_nothing(pattern):
        raise EngineDifference(
            f"split by {pattern!r}, which may match the empty text: Sail gives other parts"
        )
    plain = replacement is not None and is_plain_replacement(replacement, pattern)
    if name == "regexp_replace" and not plain:
        by = "a column" if replacement is None else repr(replacement)
        raise EngineDifference(
            f"regexp_replace by {by}: refer to the groups of {pattern!r} as $1, followed by no "
            "letter or digit"
        )
    return written


_WHETHER = frozenset({"rlike", "regexp", "regexp_like"})


def _may_match_nothing(pattern: str) -> bool:
    try:
        return re.match(pattern, "") is not None
    except re.error:  # a construct that Python does not have, as a category
        return not _CERTAIN.fullmatch(pattern)


_CERTAIN = re.compile(r"\\[pP](?:[A-Z]|\{[A-Z][a-z]?\})\+?")


def is_plain_replacement(text: str, pattern: str) -> bool:
    """Whether a replacement means the same on both engines: `$` and one digit of a group that the
    pattern has, no letter or digit after it, and no backslash."""
    groups = sum(token.lastgroup == "group" and token[0] != "(?:" for token in _tokens(pattern))
    rest = re.sub(r"\$(\d)(?!\w)", lambda of: "" if int(of[1]) <= groups else "$", text)
    return "$" not in rest and "\\" not in rest


def is_of_whole_text(pattern: str) -> bool:
    r"""Whether a pattern matches all of a text or nothing: `^(?:...)\z`, of one group."""
    if not (pattern.startswith("^(?:") and pattern.endswith(r")\z")):
        return False
    inner, depth = _tokens(pattern[1:-2]), 0
    for number, token in enumerate(inner, 1):
        depth += (token.lastgroup == "group") - (token[0] == ")")
        if depth == 0 and number < len(inner):
            return False
    return depth == 0


def _tokens(pattern: str) -> list[re.Match[str]]:
    """The tokens outside sets of characters."""
    found, at = [], 0
    while token := _TOKEN.match(pattern, at) if at < len(pattern) else None:
        found.append(token)
        at = _set(pattern, token.end())[1] if token.lastgroup == "set" else token.end()
    return found
