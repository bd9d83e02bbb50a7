"""A DataFrame's logical plan as a tree, and the marks by which parts of it are found.

`plan_reading.analyzed` reads it. Names are those of Catalyst, Spark's own analyzer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

EXPRESSIONS = "org.apache.spark.sql.catalyst.expressions."  # the package of expressions known here

_INPUT = "data-platform input "  # alias prefix of a marked DataFrame; no table function uses it
_BOUNDARY = "data-platform boundary"


@dataclass(frozen=True)
class Node:
    """An operator or an expression: the full name of its class, its fields, its children.

    A field holds expressions as nodes, or as Catalyst's JSON.
    """

    name: str
    fields: Mapping[str, Any]
    children: tuple["Node", ...]

    @property
    def kind(self) -> str:
        """The class's name alone: `Project`, `AttributeReference`."""
        return self.name.rpartition(".")[2]

    def expressions(self, field: str) -> tuple["Node", ...]:
        """The expressions in one field of an operator."""
        return tuple(_trees(self.fields.get(field)))

    @property
    def all_expressions(self) -> Iterator["Node"]:
        """Every expression of an operator, nested ones included."""
        for field in self.fields:
            for tree in self.expressions(field):
                yield from tree.walk()

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def id(self) -> int | None:
        """The id of a column within its plan; None for nodes without one."""
        found = self.fields.get("exprId")
        return found["id"] if isinstance(found, dict) else None


def marked(frame: DataFrame, name: str) -> DataFrame:
    """The same rows, marked so that the plan names the input they come from (see `input_of`)."""
    return frame.alias(f"{_INPUT}{name}")


def input_of(node: Node) -> str | None:
    """The name of the input if the node is the mark set by `marked`, else None."""
    if node.kind != "SubqueryAlias":
        return None
    alias = node.fields["identifier"]["name"]
    return alias.removeprefix(_INPUT) if alias.startswith(_INPUT) else None


def with_boundary(frame: DataFrame) -> DataFrame:
    """The same rows, with a boundary that a plan over them shows (see `is_boundary`)."""
    return frame.alias(_BOUNDARY)


def is_boundary(node: Node) -> bool:
    """Whether the rows below are those of `with_boundary`."""
    return node.kind == "SubqueryAlias" and node.fields["identifier"]["name"] == _BOUNDARY


def tree_of(nodes: list[dict[str, Any]]) -> Node:
    """The tree of which Catalyst's JSON lists the nodes, parents before children."""
    return _tree(iter(nodes))


def _trees(value: Any) -> Iterator[Node]:
    """The trees in a field."""
    if isinstance(value, tuple):
        yield from value
    if not isinstance(value, list) or not value:
        return
    if isinstance(value[0], dict) and "class" in value[0]:
        yield tree_of(value)
    else:
        for item in value:
            yield from _trees(item)


def _tree(nodes: Iterator[dict[str, Any]]) -> Node:
    fields = next(nodes)
    children = tuple(_tree(nodes) for _ in range(fields["num-children"]))
    return Node(fields["class"], fields, children)
