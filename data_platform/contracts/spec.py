"""The columns of a contract and the checks of their values, as values that need no engine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["blocking", "warning"]
Sensitivity = Literal["public", "internal", "personal"]


@dataclass(frozen=True)
class ColumnType:
    """The type of a column. `text` is how SQL writes it: `date`, `decimal(12,3)`, `array<string>`.

    `form` is all of it, as JSON, with what may be null inside: the form in which Spark and Delta
    Lake write the types of a schema.
    """

    text: str
    form: str

    def __str__(self) -> str:
        return self.text

    @property
    def described(self) -> Any:
        """`form` as Python has it: a text, or a dictionary for an array, a map or a struct."""
        return json.loads(self.form)


@dataclass(frozen=True)
class Check:
    """One rule a column's values must keep.

    `name` is the rule's name in reasons and check results ("quantity.in_range"), `kind` the
    pandera check (or one of those that every column has, "not_null", "typed", "in_calendar" and
    "complete"), `arguments` what pandera was given.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    severity: Severity
    description: str


@dataclass(frozen=True)
class ColumnSpec:
    """One column of a table. `source` is the bronze column it was typed from, if it was."""

    name: str
    type: ColumnType
    nullable: bool
    description: str
    sensitivity: Sensitivity
    source: str | None
    unique: bool
    checks: tuple[Check, ...]
