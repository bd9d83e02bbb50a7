"""The columns of a contract and the checks on them, as values that need no engine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["blocking", "warning"]
Sensitivity = Literal["public", "internal", "personal"]


@dataclass(frozen=True)
class ColumnType:
    """The type of a column. `text` is its SQL name: `date`, `decimal(12,3)`, `array<string>`.

    `form` is the full type as JSON, including which nested values may be null, in the format that
    Spark and Delta Lake use for schemas.
    """

    text: str
    form: str

    def __str__(self) -> str:
        return self.text

    @property
    def described(self) -> Any:
        """`form` parsed: a string, or a dictionary for an array, a map or a struct."""
        return json.loads(self.form)


@dataclass(frozen=True)
class Check:
    """A rule that a column's values must keep.

    `name` is the rule's name in reasons and check results ("quantity.in_range"), `kind` the
    pandera check or one of the platform's own ("not_null", "typed", "in_calendar", "complete"),
    `arguments` the arguments given to pandera.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    severity: Severity
    description: str


@dataclass(frozen=True)
class ColumnSpec:
    """One column of a table. `source` is the bronze column it was typed from, if any."""

    name: str
    type: ColumnType
    nullable: bool
    description: str
    sensitivity: Sensitivity
    source: str | None
    unique: bool
    checks: tuple[Check, ...]
