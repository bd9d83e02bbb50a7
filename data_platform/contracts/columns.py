"""Declare the columns of a contract on a pandera model, and read them from it."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import pandera.pyspark as pa
from pandera.api.checks import Check as PanderaCheck
from pandera.errors import SchemaInitError
from pyspark.sql import types as T

from data_platform.contracts.checks import problem
from data_platform.contracts.errors import ContractError
from data_platform.contracts.inside import has_times, promises
from data_platform.contracts.names import indistinct
from data_platform.contracts.pandera_internals import arguments as arguments_of
from data_platform.contracts.pandera_internals import built_in
from data_platform.contracts.schema import column_type
from data_platform.contracts.spec import Check, ColumnSpec, Sensitivity, Severity
from data_platform.tables.nearest import nearest

_DECLARED = "data_platform"
"""The key in a pandera field's metadata for what `column` adds to pandera's own arguments."""


_NOT_A_COLUMN = (
    "a function of one's own, or a check of the whole frame, cannot be compiled; write a Rule with "
    "a column expression instead"
)


@dataclass(frozen=True)
class _Declared:
    source: str | None = None
    exact: bool = True
    sensitivity: str = "internal"
    unique: bool = False
    refused: str | None = None


def column(
    *,
    source: str | None = None,
    exact: bool = True,
    sensitivity: Sensitivity = "internal",
    **field: Any,
) -> Any:
    """A column of a contract: `pandera.pyspark.Field` with more arguments.

    `source="Quantity"` says that the column was typed from bronze's `Quantity`; a value that was
    received but could not be typed then breaks the rule `{column}.typed`. So does a value that
    changed when it was typed, by whatever means: -7.55 as -7.6 (`typed.faithful`). `exact=False` is
    for a column that is meant to differ, such as a share that was received in percent.
    `sensitivity` is one of public, internal, personal. `unique=True` makes the column the
    contract's key. All other arguments are those of `pandera.pyspark.Field`: nullable, description,
    ge, isin, str_matches...

    An argument that pandera refuses is reported by `contract`, which knows the table.
    """
    metadata = field.pop("metadata", None) or {}
    declared = _Declared(source, exact, sensitivity, unique=field.pop("unique", False))
    if refused := _unknown(field):
        return pa.Field(metadata={_DECLARED: replace(declared, refused=refused)})
    try:
        return pa.Field(metadata={**metadata, _DECLARED: declared}, **field)
    except (SchemaInitError, TypeError, ValueError, AttributeError, re.error) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in field.items())
        refused = f"pandera refuses column({given}): {error}"
        return pa.Field(metadata={_DECLARED: replace(declared, refused=refused)})


def _unknown(field: Mapping[str, Any]) -> str | None:
    """What to say of an argument that pandera would take for a check of the user's own."""
    known = inspect.signature(pa.Field).parameters
    for name in sorted(name for name in field if name not in known and not _is_check(name)):
        near = nearest(name, (*known, *inspect.signature(column).parameters))
        hint = f"did you mean {' or '.join(near)}?" if near else _NOT_A_COLUMN
        return f"column() has no argument {name!r}; {hint}"
    return None


def _is_check(name: str) -> bool:
    return hasattr(PanderaCheck, name)


def read_columns(model: type[pa.DataFrameModel], *, table: str) -> tuple[ColumnSpec, ...]:
    """The columns of a pandera model, in its order.

    Raises ContractError for anything that cannot be enforced row by row.
    """
    _refuse_reserved_names(model, table=table)
    try:
        schema = model.to_schema()
        fields = {field.name: annotation for annotation, field in model.__fields__.values()}
    except (SchemaInitError, TypeError, NameError) as error:
        raise ContractError(f"pandera refuses the model: {error}", table=table) from error
    _refuse_model_options(schema, table=table)
    columns = tuple(
        _read_column(name, schema.columns[name], annotation.arg or annotation.raw_annotation, table)
        for name, annotation in fields.items()
    )
    if clashes := indistinct(c.name for c in columns):
        raise ContractError(
            "another column has the same name; Spark does not tell upper case from lower",
            table=table,
            column=clashes[0],
        )
    return columns


def _refuse_model_options(schema: Any, *, table: str) -> None:
    options = {
        "coerce": "cast in the asset's function, where an error can be reported",
        "dtype": "give each column its own type",
        "drop_invalid_rows": "rows that break a blocking rule are quarantined anyway",
    }
    for option, way_out in options.items():
        if getattr(schema, option):
            raise ContractError(f"Config.{option}: {way_out}", table=table)
    for check in schema.checks:
        raise ContractError(_NOT_A_COLUMN, table=table, check=str(check.name))


def _refuse_reserved_names(model: type[pa.DataFrameModel], *, table: str) -> None:
    for cls in model.__mro__:
        if cls is pa.DataFrameModel:
            return
        for name in vars(cls).get("__annotations__", {}):
            if name.startswith("_"):
                raise ContractError(
                    "names that start with an underscore are the platform's own (and pandera "
                    "ignores them); rename it",
                    table=table,
                    column=name,
                )


def _read_column(name: str, column: Any, annotation: Any, table: str) -> ColumnSpec:
    def refuse(why: str) -> ContractError:
        return ContractError(why, table=table, column=name)

    declared: _Declared = (column.metadata or {}).get(_DECLARED, _Declared())
    if declared.refused:
        raise refuse(declared.refused)
    if declared.sensitivity not in get_args(Sensitivity):
        raise refuse(
            f"sensitivity is {', '.join(get_args(Sensitivity))}, not {declared.sensitivity!r}"
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise refuse("a name is letters, digits and underscores, and starts with a letter")
    if not column.required:
        raise refuse("every column is in the table; for values that may miss: nullable=True")
    if column.regex:
        raise refuse("regex=True names several columns; declare each")
    if column.coerce:
        raise refuse("coerce=True: cast in the asset's function, where an error can be reported")
    type_ = _spark_type(column, annotation)
    if isinstance(type_, str):
        raise refuse(type_)
    return ColumnSpec(
        name=name,
        type=column_type(type_),
        nullable=bool(column.nullable),
        description=column.description or "",
        sensitivity=declared.sensitivity,  # pyright: ignore[reportArgumentType]  checked above
        source=declared.source,
        unique=declared.unique,
        checks=tuple(_numbered(_checks(name, column, type_, declared, table))),
    )


def _spark_type(column: Any, annotation: Any) -> T.DataType | str:
    """The column's Spark type, or why it has none."""
    if annotation is bytes:
        return "pandera reads bytes as tinyint; write BinaryType or ByteType"
    # pandera's engine knows timestamp_ntz as an alias of timestamp, and forgets the difference.
    if annotation is T.TimestampNTZType or isinstance(annotation, T.TimestampNTZType):
        return T.TimestampNTZType()
    type_ = getattr(column.dtype, "type", None)
    if not isinstance(type_, T.DataType):
        return f"{annotation!r} is not a Spark type; use one of pyspark.sql.types"
    return type_


def _checks(
    name: str, column: Any, type_: T.DataType, declared: _Declared, table: str
) -> Iterator[Check]:
    if not column.nullable:
        yield Check(f"{name}.not_null", "not_null", {}, "blocking", f"{name} is present")
    if declared.source and not isinstance(type_, T.StringType):
        text = f"{declared.source}, where present, can be read as {type_.simpleString()}"
        text += ", and nothing of it is lost" if declared.exact else ""
        arguments = {"source": declared.source, "exact": declared.exact}
        yield Check(f"{name}.typed", "typed", arguments, "blocking", text)
    if has_times(type_):
        text = f"{name} is of the years 1 to 9999, which every engine can read"
        yield Check(f"{name}.in_calendar", "in_calendar", {}, "blocking", text)
    if promises(type_):
        text = f"nothing is null inside of {name} that {type_.simpleString()} says is not"
        yield Check(f"{name}.complete", "complete", {}, "blocking", text)
    for check in column.checks:
        # The name may be set by the user, as in ge={"min_value": 0, "name": "positive"}.
        own = str(check.name)
        kind, given = built_in(check), arguments_of(check)
        if not kind:
            raise ContractError(_NOT_A_COLUMN, table=table, column=name, check=own)
        if why := _refused(check) or problem(kind, given, type_):
            raise ContractError(why, table=table, column=name, check=own)
        severity: Severity = "warning" if check.raise_warning else "blocking"
        yield Check(f"{name}.{own}", kind, given, severity, check.error or own)


def _refused(check: PanderaCheck) -> str | None:
    if not check.ignore_na:
        return "pandera.pyspark does not know ignore_na=False; say nullable=False"
    if not re.fullmatch(r"\w+", str(check.name), re.ASCII):
        return "a check's own name is letters, digits and underscores"
    return None


def _numbered(checks: Iterator[Check]) -> Iterator[Check]:
    """Give checks that occur twice on a column distinct names: the second is called `..._2`."""
    seen: Counter[str] = Counter()
    for check in checks:
        seen[check.name] += 1
        times = seen[check.name]
        name = check.name if times == 1 else f"{check.name}_{times}"
        yield replace(check, name=name)
