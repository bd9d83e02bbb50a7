"""The same results on every engine: a DataFrame as the engine that executes it needs it."""

from pyspark.sql import DataFrame

from data_platform.engine.connect import on_sail
from data_platform.engine.pyspark_internals import connect_frame, connect_relation, connect_schema
from data_platform.engine.sail.plan import written_for_sail


def agreed(frame: DataFrame, *, only_top: bool = False) -> DataFrame:
    """The frame so that its rows are those that Spark computes; `only_top`: all but its last
    operation is so already.

    Raises EngineDifference for an expression of which that cannot be ensured.
    """
    if not on_sail(frame.sparkSession):
        return frame
    relation = connect_relation(frame)
    assert relation is not None
    written = written_for_sail(relation, lambda of: connect_schema(frame, of), only_top=only_top)
    return frame if written == relation else connect_frame(frame.sparkSession, written)
