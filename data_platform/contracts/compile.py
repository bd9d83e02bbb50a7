"""Compile a contract's rules to Spark columns, evaluated in the job that writes the rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from data_platform.contracts.checks import predicate
from data_platform.contracts.contract import Contract
from data_platform.contracts.inside import complete, in_calendar
from data_platform.contracts.schema import spark_type
from data_platform.contracts.spec import Check, ColumnSpec, Severity
from data_platform.contracts.typed import faithful
from data_platform.tables.columns import RECEIVED, RESCUED

RESCUED_RULE = "rescued"


@dataclass(frozen=True, eq=False)
class CompiledRule:
    """A rule that a row keeps or breaks.

    `holds()` is True where the row keeps the rule and False where it breaks it, never NULL, and no
    value of a row makes it raise. It needs an active session; nothing else here does. `check` is
    pandera's name of the check, "not_null", "typed", "in_calendar", "complete", "rule" or
    "rescued".
    """

    name: str
    column: str | None
    check: str
    severity: Severity
    description: str
    holds: Callable[[], Column]


def received(name: str) -> Column:
    """A column of the judged row as received in bronze, a string. Needs an active session."""
    return F.col(RECEIVED)[name]


def compile_rules(contract: Contract) -> tuple[CompiledRule, ...]:
    """All rules of a contract: those of the columns as declared, the contract's own `rules`, and
    the rule that a row fits its file's header."""
    return (*_column_rules(contract), *_own_rules(contract), *_rescued_rule(contract))


def _column_rules(contract: Contract) -> Iterator[CompiledRule]:
    for column in contract.columns:
        for check in column.checks:
            yield CompiledRule(
                name=check.name,
                column=column.name,
                check=check.kind,
                severity=check.severity,
                description=check.description,
                holds=_never_null(_condition(column, check)),
            )


def _own_rules(contract: Contract) -> Iterator[CompiledRule]:
    for rule in contract.rules:
        yield CompiledRule(
            name=rule.name,
            column=None,
            check="rule",
            severity=rule.severity,
            description=rule.description,
            holds=_never_null(rule.expression),
        )


def _rescued_rule(contract: Contract) -> Iterator[CompiledRule]:
    if contract.rescued:
        yield CompiledRule(
            name=RESCUED_RULE,
            column=None,
            check=RESCUED_RULE,
            severity=contract.rescued,
            description="the row has exactly the fields of the header, and they could be read",
            holds=lambda: rescued_of(contract).isNull(),
        )


def rescued_of(contract: Contract) -> Column:
    """The `_rescued` column of the judged row. Needs an active session."""
    return received(RESCUED) if contract.lineage else F.col(RESCUED)


def _condition(column: ColumnSpec, check: Check) -> Callable[[], Column]:
    type_ = spark_type(column.type)

    def condition() -> Column:
        match check.kind:
            case "not_null":
                return F.col(column.name).isNotNull()
            case "typed":
                return _is_typed(column, check)
            case "in_calendar":
                return in_calendar(F.col(column.name), type_)
            case "complete":
                return complete(F.col(column.name), type_)
            case _:
                return predicate(check, column=column.name, type_=type_)

    return condition


def _is_typed(column: ColumnSpec, check: Check) -> Column:
    text, value = received(check.arguments["source"]), F.col(column.name)
    typed = value.isNotNull()
    if check.arguments["exact"]:
        typed &= faithful(text, value, spark_type(column.type))
    return text.isNull() | typed


def _never_null(condition: Callable[[], Column]) -> Callable[[], Column]:
    # Sail computes an argument of `coalesce` three times.
    return lambda: ~condition().eqNullSafe(F.lit(False))


def _all(conditions: list[Column]) -> Column:
    """AND as a balanced tree: Spark recurses into it, and a chain of hundreds overflows its
    stack."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return _all(conditions[:middle]) & _all(conditions[middle:])


def reasons(rules: tuple[CompiledRule, ...], severity: Severity) -> Column:
    """The names of the rules of this severity that a row breaks, in order; NULL if it breaks none.

    An array<string> column. Only a row that breaks a rule pays for the array.
    """
    judged = [(rule.name, rule.holds()) for rule in rules if rule.severity == severity]
    if not judged:
        return F.lit(None).cast("array<string>")
    keeps_all = _all([holds for _, holds in judged])
    broken = F.array(*(F.when(~holds, F.lit(name)) for name, holds in judged))
    # `filter` keeps this projection out of whole-stage code generation. Inlined there, forty rules
    # make one method too long for the JVM to compile, which costs two to three times as much.
    return F.when(~keeps_all, F.filter(broken, lambda name: name.isNotNull()))
