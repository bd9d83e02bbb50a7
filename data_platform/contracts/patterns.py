"""Refuse patterns that an engine would match differently from Spark, or not at all."""

from collections.abc import Callable

from data_platform.contracts.arguments import pattern_text
from data_platform.contracts.checks import in_engines
from data_platform.contracts.contract import Contract
from data_platform.contracts.errors import ContractError


def require_patterns(contract: Contract, problem: Callable[[str], str | None]) -> None:
    """Raises ContractError for a check's pattern of which `problem` has something to say."""
    for column in contract.columns:
        for check in column.checks:
            pattern = check.arguments.get("pattern")
            if pattern and (found := problem(in_engines(pattern))):
                raise ContractError(
                    f"{pattern_text(pattern)!r} has {found}",
                    table=contract.table,
                    column=column.name,
                    check=check.name,
                )
