"""Read a DataFrame's plan from the session that it belongs to."""

import json

from pyspark.sql import DataFrame

from data_platform.engine.connect_plan import plan_of
from data_platform.engine.logical_plan import Node, tree_of
from data_platform.engine.pyspark_internals import (
    analyzed_json,
    connect_columns,
    connect_relation,
)


def analyzed(frame: DataFrame) -> Node | None:
    """The analyzed, not yet optimized plan; None if the session does not provide it.

    A Spark Connect session analyzes on its server: there the plan is what the client sends, with
    names resolved as far as they are certain.
    """
    if (plan := analyzed_json(frame)) is not None:
        return tree_of(json.loads(plan))
    relation = connect_relation(frame)
    if relation is None:
        return None
    return plan_of(relation, lambda of: connect_columns(frame, of))
