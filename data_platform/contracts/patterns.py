"""Find constructs in patterns that Sail's regular expressions lack: look-around and references to
groups, as matching them can take exponential time, and repetitions that never backtrack."""

import re

from data_platform.contracts.arguments import pattern_text
from data_platform.contracts.checks import in_engines
from data_platform.contracts.contract import Contract
from data_platform.contracts.errors import ContractError

_TOKEN = re.compile(
    r"""
    (?P<reference> \\[1-9] | \\k[<{'] | \(\?P= )
    | \\.                            # any other escape
    | \[\^?\]?(?:\\.|[^\]\\])*\]     # a class of characters
    | (?P<around> \(\?<?[=!] )
    | (?P<atomic> \(\?> | [*+?]\+ | \{\d+(?:,\d*)?\}\+ )
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
    """Raises ContractError for a check whose pattern this engine cannot match."""
    for column in contract.columns:
        for check in column.checks:
            pattern = check.arguments.get("pattern")
            if pattern and (what := only_in_some_engines(in_engines(pattern))):
                raise ContractError(
                    f"{pattern_text(pattern)!r} has {what}, which {engine} cannot match; rewrite "
                    "it without, or set DATA_PLATFORM_SPARK to local[*]",
                    table=contract.table,
                    column=column.name,
                    check=check.name,
                )
