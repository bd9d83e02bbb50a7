"""Which regular expressions only some engines can match: Sail's has neither look-around nor
references to a group, as they can take exponential time."""

import re

from data_platform.contracts.arguments import pattern_text
from data_platform.contracts.checks import in_engines
from data_platform.contracts.contract import Contract
from data_platform.contracts.errors import ContractError

_TOKEN = re.compile(
    r"""
    \\Q.*?(?:\\E|$)                                # quoted text
    | (?P<reference> \\[1-9] | \\k[<{'] | \(\?P= ) # a group's match again
    | \\.                                          # any other escape
    | \[\^?\]?(?:\\.|[^\]\\])*\]                   # a class of characters
    | (?P<around> \(\?<?[=!] )                     # look-around
    | (?P<atomic> \(\?> | [*+?}]\+ )               # a group or repetition that gives nothing back
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMES = {
    "reference": "a reference to a group",
    "around": "look-around",
    "atomic": "an atomic group or possessive repetition",
}


def only_in_some_engines(pattern: str) -> str | None:
    """What a pattern has that Sail cannot match, and None if it has nothing of the kind."""
    kinds = (found.lastgroup for found in _TOKEN.finditer(pattern))
    return next((_NAMES[kind] for kind in kinds if kind), None)


def require_simple_patterns(contract: Contract, engine: str) -> None:
    """Raises ContractError for a check whose pattern the engine cannot match; it is Sail, or has
    regular expressions like it."""
    for column in contract.columns:
        for check in column.checks:
            pattern = check.arguments.get("pattern")
            if pattern and (what := only_in_some_engines(in_engines(pattern))):
                raise ContractError(
                    f"{pattern_text(pattern)!r} has {what}, which {engine} cannot match; write it "
                    "without, or set DATA_PLATFORM_SPARK to local[*]",
                    table=contract.table,
                    column=column.name,
                    check=check.name,
                )
