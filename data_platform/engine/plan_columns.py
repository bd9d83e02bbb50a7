"""The output columns of the operators in a logical plan."""

from collections.abc import Iterable

from data_platform.engine.logical_plan import Node

# Operators that pass their child's columns on and treat each row by itself.
KEEPS = frozenset(
    {
        *("Project", "Filter", "Sort", "Generate", "SubqueryAlias", "ResolvedHint"),
        *("Repartition", "RepartitionByExpression", "RebalancePartitions"),
    }
)
WITHOUT_RIGHT = ("LeftSemi$", "LeftAnti$")  # joins that output the left side alone


def output(node: Node) -> list[tuple[int, str]] | None:
    """The ids and names of an operator's output columns, in order; None if unknown."""
    match node.kind:
        case "Project":
            return _named(node.expressions("projectList"))
        case "Aggregate":
            return _named(node.expressions("aggregateExpressions"))
        case "Join":
            left, right = map(output, node.children)
            if node.fields["joinType"].get("object", "").endswith(WITHOUT_RIGHT):
                return left
            return None if left is None or right is None else [*left, *right]
        case "Union":
            return output(node.children[0])
        case "Window":
            below = output(node.children[0])
            added = _named(node.expressions("windowExpressions"))
            return None if below is None or added is None else [*below, *added]
        case "Generate":
            below = output(node.children[0])
            added = _named(node.expressions("generatorOutput"))
            return None if below is None or added is None else [*below, *added]
        case kind if kind in ("Distinct", "Deduplicate", *KEEPS):
            return output(node.children[0])
    return _named(node.expressions("output")) if "output" in node.fields else None


def _named(expressions: Iterable[Node]) -> list[tuple[int, str]] | None:
    found = [(e.id, e.fields.get("name", "")) for e in expressions]
    return [(i, name) for i, name in found if i is not None] if found else None
