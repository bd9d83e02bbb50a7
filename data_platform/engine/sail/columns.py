"""The columns of the relations of a plan, asked of Sail with as little of the plan as will do.

A relation's columns are those that it has over empty inputs of the same columns. So no question
carries all that lies below it, nor the names of the files that are read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import types as T

from data_platform.engine.pyspark_internals import reads_rows
from data_platform.engine.sail.messages import copied, parts

Schema = Callable[[Any], T.StructType]
"""The columns of a relation, as the server tells them; raises what it refuses."""

_SAME_COLUMNS = frozenset({"filter", "sort", "limit", "offset", "repartition", "hint"})


@dataclass(frozen=True)
class Server:
    """Tells the columns of relations; `references`: the subqueries of their plan."""

    schema: Schema
    references: Sequence[Any] = ()

    def columns(self, relation: Any) -> T.StructType:
        """A relation's columns; raises what the server refuses."""
        if not self.references:
            return self.schema(relation)
        whole = type(relation)()
        whole.with_relations.root.CopyFrom(relation)
        whole.with_relations.references.extend(self.references)
        return self.schema(whole)


class Columns:
    """The columns of a relation, which does not change any more, told when they are needed."""

    def __init__(self, relation: Any, inputs: Sequence["Columns"], server: Server):
        self._relation, self._inputs, self._server = relation, inputs, server

    @cached_property
    def schema(self) -> T.StructType | None:
        """The columns; None if Sail refuses the relation."""
        if self._passes_on:
            return self._inputs[0].schema
        asked = (over_empty(self._relation, self._inputs, self._server), self._relation)
        for relation in filter(None, asked):
            with suppress(PySparkException):
                return self._server.columns(relation)
        return None

    @property
    def required(self) -> T.StructType:
        """The columns; raises what Sail refuses of the relation."""
        return self._server.columns(self._relation) if self.schema is None else self.schema

    @cached_property
    def empty(self) -> Any | None:
        """A relation of these columns and this alias without rows; None if they are not known."""
        if self._passes_on:
            return self._inputs[0].empty
        if self.schema is None:
            return None
        made = type(self._relation)()
        alias = self._relation.subquery_alias if self._is_alias else None
        rows = made if alias is None else made.subquery_alias.input
        rows.local_relation.schema = self.schema.json()
        if alias is not None:  # columns may be named by it
            made.subquery_alias.alias = alias.alias
        if self._relation.common.HasField("plan_id"):
            made.common.plan_id = self._relation.common.plan_id
        return made

    @cached_property
    def ids(self) -> frozenset[int]:
        """The ids of the plans that have these columns: this one, and those that it passes on."""
        common = self._relation.common
        own = {common.plan_id} if common.HasField("plan_id") else set()
        return frozenset(own).union(self._inputs[0].ids if self._passes_on else ())

    @property
    def _is_alias(self) -> bool:
        return self._relation.WhichOneof("rel_type") == "subquery_alias"

    @property
    def _passes_on(self) -> bool:
        return len(self._inputs) == 1 and self._relation.WhichOneof("rel_type") in _SAME_COLUMNS


def over_empty(relation: Any, inputs: Sequence[Columns], server: Server) -> Any | None:
    """The relation over empty inputs; None if its columns may be others then."""
    if not inputs or server.references or any(of.empty is None for of in inputs):
        return None
    made = copied(relation)
    for part, of in zip(list(parts(made, "Relation")), inputs, strict=True):
        part.CopyFrom(of.empty)
    if reads_rows(made):  # as a pivot does for its columns
        return None
    expressions = list(parts(made, "Expression"))
    return made if all([point_at(of, inputs) for of in expressions]) else None


def point_at(expression: Any, inputs: Sequence[Columns]) -> bool:
    """Have an expression's columns name empty inputs by their ids, in place; whether all are of
    these."""
    for message in _columns_in(expression):
        if not message.HasField("plan_id"):
            continue
        found = [of.empty for of in inputs if message.plan_id in of.ids]
        if len(found) != 1 or found[0] is None or not found[0].common.HasField("plan_id"):
            return False
        message.plan_id = found[0].common.plan_id
    return True


def _columns_in(expression: Any) -> Iterator[Any]:
    """What names a column, or several, within an expression."""
    kind = expression.WhichOneof("expr_type")
    message = getattr(expression, kind) if kind else None
    if message is not None and "plan_id" in message.DESCRIPTOR.fields_by_name:
        yield message
    for part in parts(expression, "Expression"):
        yield from _columns_in(part)
