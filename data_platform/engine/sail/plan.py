"""Write a plan for Sail so that it computes what Spark would, or refuse it.

Sail and Spark differ in some functions (`functions`, `arithmetic`, `patterns`): an integer that
overflows is an error on Spark and wraps around on Sail. What a client sends is a message of Spark
Connect's protocol; here its calls are replaced, with the types of their arguments as Sail tells
them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.function_names import GENERATORS
from data_platform.engine.sail.columns import Columns, Schema, Server
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.expressions import Expressions, within_depth
from data_platform.engine.sail.literals import require_plain_text
from data_platform.engine.sail.messages import aliased, cast, copied, null, parts
from data_platform.engine.sail.text import require_text
from data_platform.engine.sail.types import Types


def written_for_sail(relation: Any, schema: Schema, *, only_top: bool = False) -> Any:
    """A copy of a relation with the same results on Sail as the relation has on Spark.

    `only_top`: its inputs have already been rewritten. Raises EngineDifference.
    """
    found = copied(relation)
    with within_depth():
        _Writing(schema).rewrite(found, only_top)
    return found


class _Writing:
    """The rewriting of one plan."""

    def __init__(self, schema: Schema):
        self._server = Server(schema)

    def rewrite(self, relation: Any, only_top: bool = False) -> Columns:
        """Write a relation and all below it, in place; gives its columns."""
        kind = relation.WhichOneof("rel_type")
        if kind == "with_relations":  # subqueries, by their plan's id
            for reference in relation.with_relations.references:
                self.rewrite(reference)
            references = list(relation.with_relations.references)
            self._server = replace(self._server, references=references)
            return self.rewrite(relation.with_relations.root, only_top)
        below = list(parts(relation, "Relation"))
        inputs = [self._unchanged(of) if only_top else self.rewrite(of) for of in below]
        if kind is not None:
            inputs = self._rewrite_one(relation, kind, inputs)
        return Columns(copied(relation), inputs, self._server)

    def _unchanged(self, relation: Any) -> Columns:
        return Columns(copied(relation), [], self._server)

    def _rewrite_one(
        self, relation: Any, kind: str, inputs: Sequence[Columns]
    ) -> Sequence[Columns]:
        """Write a relation whose inputs are written; gives the inputs that it then has."""
        match kind:
            case "sql":
                require_text(relation.sql.query, lambda: True)
            case "cached_remote_relation":
                raise EngineDifference(
                    "a checkpoint, whose rows were computed before; leave it out"
                )
            case "set_op":
                inputs = self._alike(relation.set_op, inputs)
            case "with_columns_renamed":
                _name_as_is(relation.with_columns_renamed, inputs[0].required.names)
            case "replace":
                _require_own(relation.replace.cols, inputs[0].required.names)
            case "to_schema":
                require_plain_text(relation.to_schema.schema)
        before = copied(relation)
        types = Types(before, inputs, self._server)
        for order in parts(before, "SortOrder"):
            Expressions(types).require_order(order)
        for expression in parts(relation, "Expression"):
            self._replace_column(expression, types, kind == "project")
        if kind != "aggregate" or relation == before:
            return inputs
        self._name(relation, Columns(before, inputs, self._server))
        return [Columns(copied(relation.to_df.input), inputs, self._server)]

    def _replace_column(self, expression: Any, types: Types, is_named: bool) -> None:
        """Write an expression; `is_named`: without an alias it names a column."""
        before = copied(expression)
        Expressions(types).replace(expression, {})
        if not is_named or expression == before or expression.WhichOneof("expr_type") == "alias":
            return
        function = expression.unresolved_function.function_name.lower()
        if function not in GENERATORS:  # of which the names do not depend on arguments
            expression.CopyFrom(aliased(expression, types.name(before)))

    def _name(self, relation: Any, before: Columns) -> None:
        """Give an aggregation's columns the names that they had. An alias would do for neither a
        grouping, which aggregates may repeat, nor two columns of a name."""
        written = copied(relation)
        relation.ClearField("aggregate")
        relation.to_df.input.CopyFrom(written)
        relation.to_df.column_names.extend(field.name for field in before.required.fields)

    def _alike(self, message: Any, inputs: Sequence[Columns]) -> Sequence[Columns]:
        """Sail gives a union the types of one side, or none that fit; gives its inputs, which have
        all columns of the union."""
        left, right = (of.required.fields for of in inputs)
        if message.by_name:
            others = {field.name.lower(): field for field in right}
            pairs = [(f, others[f.name.lower()]) for f in left if f.name.lower() in others]
        else:
            pairs = list(zip(left, right, strict=False))
        for one, other in pairs:
            types = (one.dataType, other.dataType)
            integers = all(isinstance(of, T.IntegralType) for of in types)
            if len({of.simpleString() for of in types}) > 1 and not integers:
                raise EngineDifference(
                    f"a union of {one.name} as {types[0].simpleString()} and as "
                    f"{types[1].simpleString()}; cast one"
                )
        if not (message.by_name and message.allow_missing_columns):
            return inputs
        names = {field.name.lower() for field in left}
        missing = [field for field in right if field.name.lower() not in names]
        return [self._filled(message.left_input, inputs[0], missing), *inputs[1:]]

    def _filled(self, relation: Any, columns: Columns, missing: Sequence[T.StructField]) -> Columns:
        """Give a relation columns of NULLs, in place, whose types Sail would not tell."""
        if not missing:
            return columns
        below = copied(relation)
        relation.Clear()
        relation.with_columns.input.CopyFrom(below)
        for field in missing:
            alias = relation.with_columns.aliases.add()
            alias.name.append(field.name)
            empty = cast(null(alias.expr), field.dataType.simpleString())
            alias.expr.CopyFrom(empty)
        return Columns(copied(relation), [columns], self._server)


def _name_as_is(message: Any, names: Sequence[str]) -> None:
    """Have columns that are renamed named in their own case: Sail finds them in no other."""
    own = {name.lower(): name for name in names}
    for rename in message.renames:
        if rename.col_name not in names:
            rename.col_name = own.get(rename.col_name.lower(), rename.col_name)


def _require_own(named: Sequence[str], names: Sequence[str]) -> None:
    """Raise EngineDifference for columns in another case, whose values Sail alone replaces."""
    for name in named:
        if name not in names and name.lower() in (each.lower() for each in names):
            raise EngineDifference(
                f"replace in {name}: Sail and Spark treat the case of names differently; the "
                f"columns are {', '.join(names)}"
            )
