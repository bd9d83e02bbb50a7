"""What a DataFrame is made of, as Spark's analyzer says it: a tree of its logical plan.

The only module that looks behind PySpark's API, for two things that it does not offer: the
analyzed plan, by the JSON that Spark has for tools (`TreeNode.toJSON`), and how many jobs have
run. A session without a JVM at hand (Spark Connect) has neither, and answers None.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

_INPUT = "data-platform input "  # begins the alias of a marked DataFrame; no function names it so


@dataclass(frozen=True)
class Node:
    """An operator or an expression: the full name of its class, its fields, its children."""

    name: str
    fields: Mapping[str, Any]
    children: tuple["Node", ...]

    @property
    def kind(self) -> str:
        """The class's name alone: `Project`, `AttributeReference`."""
        return self.name.rpartition(".")[2]

    def expressions(self, field: str) -> tuple["Node", ...]:
        """Those in one field of an operator."""
        return tuple(_trees(self.fields.get(field)))

    @property
    def all_expressions(self) -> Iterator["Node"]:
        """Every expression of an operator, and those in them."""
        for field in self.fields:
            for tree in self.expressions(field):
                yield from tree.walk()

    def walk(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def id(self) -> int | None:
        """What identifies a column among those of a plan; None of what has no such id."""
        found = self.fields.get("exprId")
        return found["id"] if isinstance(found, dict) else None


def marked(frame: DataFrame, name: str) -> DataFrame:
    """The same rows, so that a plan tells the input they come from (see `input_of`)."""
    return frame.alias(f"{_INPUT}{name}")


def input_of(node: Node) -> str | None:
    """The input that a node marks the rows of."""
    if node.kind != "SubqueryAlias":
        return None
    alias = node.fields["identifier"]["name"]
    return alias.removeprefix(_INPUT) if alias.startswith(_INPUT) else None


def analyzed(frame: DataFrame) -> Node | None:
    """Its plan as analyzed, before anything of it is optimized; None where that cannot be seen."""
    java = getattr(frame, "_jdf", None)
    if java is None:
        return None
    return _tree(iter(json.loads(java.queryExecution().analyzed().toJSON())))


def jobs_run(spark: SparkSession) -> int | None:
    """How many jobs the session's cluster was given until now; None where that cannot be seen."""
    java = getattr(spark, "_jsparkSession", None)
    return None if java is None else java.sparkContext().dagScheduler().numTotalJobs()


def _trees(value: Any) -> Iterator[Node]:
    """A tree is written as the list of its nodes, each before its children."""
    if not isinstance(value, list) or not value:
        return
    if isinstance(value[0], dict) and "class" in value[0]:
        yield _tree(iter(value))
    else:
        for item in value:
            yield from _trees(item)


def _tree(nodes: Iterator[dict[str, Any]]) -> Node:
    fields = next(nodes)
    children = tuple(_tree(nodes) for _ in range(fields["num-children"]))
    return Node(fields["class"], fields, children)
