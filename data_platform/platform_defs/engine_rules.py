"""Refuse, when definitions load, what the engine of the settings would compute differently from
Spark."""

from collections.abc import Sequence

from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.build.kinds import judged
from data_platform.contracts.contract import Rule
from data_platform.contracts.errors import ContractError
from data_platform.contracts.patterns import require_patterns
from data_platform.contracts.schema import schema_of
from data_platform.engine.pyspark_internals import connect_expression
from data_platform.engine.sail.declared import require_expression
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.patterns import match_problem
from data_platform.engine.session import prepare_environment
from data_platform.settings.model import Settings


def require_engine(tables: Sequence[Table], settings: Settings) -> None:
    """Raises ContractError for a check's pattern or a rule that Sail, if the settings have it,
    would match or compute differently from Spark.

    No server is started. So a rule is skipped here if it needs a session, or fails, and what
    depends on types that the contract does not tell is: a run refuses it.
    """
    if settings.spark.kind != "sail":
        return
    contracts = [table.contract for table in judged(tables)]
    for contract in contracts:
        require_patterns(contract, match_problem)
    if any(contract.rules for contract in contracts):
        prepare_environment(settings)  # columns are those of Spark Connect
    for contract in contracts:
        columns = schema_of(contract) if contract.rules else T.StructType()
        for rule in contract.rules:
            if found := _refusal(rule, columns):
                raise ContractError(f"the rule {rule.name}: {found}", table=contract.table)


def _refusal(rule: Rule, columns: T.StructType) -> str | None:
    try:
        expression = connect_expression(rule.expression())
    except Exception:  # whatever an author's code raises without a session
        return None
    if expression is None:
        return None
    try:
        require_expression(expression, columns)
    except EngineDifference as error:
        return str(error)
    return None
