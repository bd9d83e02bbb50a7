"""PySpark's private API, and Spark's behind it: nothing else in the project uses it.

It gives what PySpark does not offer: the analyzed plan (`TreeNode.toJSON`), or what a Spark Connect
client sends in its place, and a DataFrame of such a plan; how many jobs have run, or queries of
such a client; the process's context if it has one, and the cores and executors of its cluster. The
version is pinned in `pyproject.toml`, and a test compares what is used here with it.
"""

from threading import Lock
from typing import Any

from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import StructType

_WATCHING = Lock()


def analyzed_json(frame: DataFrame) -> str | None:
    """The analyzed, not yet optimized plan as a JSON list of nodes; None without a JVM in this
    process (Spark Connect)."""
    java = getattr(frame, "_jdf", None)
    return None if java is None else java.queryExecution().analyzed().toJSON()


def connect_relation(frame: DataFrame) -> Any | None:
    """The plan that a Spark Connect client sends, a `Relation` of its protocol; None if the
    DataFrame is none of such a client."""
    client = _client(getattr(frame, "sparkSession", None))
    return None if client is None else frame._plan.plan(client)  # type: ignore[operator]


def connect_columns(frame: DataFrame, relation: Any) -> list[tuple[str, str]] | None:
    """The names and types of a relation's columns, asked of the server of a DataFrame; None if it
    refuses the relation."""
    try:
        schema = connect_schema(frame, relation)
    except PySparkException:
        return None
    return [(field.name, field.dataType.simpleString()) for field in schema.fields]


def connect_schema(frame: DataFrame, relation: Any) -> StructType:
    """A relation's columns; raises PySparkException if the server refuses it."""
    from pyspark.sql.connect.proto import Plan

    client = _client(frame.sparkSession)
    assert client is not None
    return client.schema(Plan(root=relation))


def connect_frame(spark: SparkSession, relation: Any) -> DataFrame:
    """A DataFrame of a Spark Connect client whose plan is this relation."""
    from pyspark.sql.connect.dataframe import DataFrame as ConnectDataFrame
    from pyspark.sql.connect.plan import LogicalPlan

    class Given(LogicalPlan):
        def plan(self, session: Any) -> Any:
            return relation

    return ConnectDataFrame(Given(None), spark)  # type: ignore[arg-type,return-value]


def connect_expression(column: Column) -> Any | None:
    """The `Expression` that a Spark Connect client would send for a column; None if the column is
    none of such a client. No session is needed, except for functions that a JVM has by name."""
    expression = getattr(column, "_expr", None)
    return None if expression is None else expression.to_plan(None)


def jobs_run(spark: SparkSession) -> int | None:
    """How many jobs the session has submitted so far; None if it is not known.

    Of a Spark Connect client: how many requests that may have read rows it has sent since this was
    first asked.
    """
    java = getattr(spark, "_jsparkSession", None)
    if java is not None:
        return java.sparkContext().dagScheduler().numTotalJobs()
    client = _client(spark)
    return None if client is None else _watched(client).queries


def running_context() -> SparkContext | None:
    """The process's context; None if there is none, or if its JVM has not started yet. PySpark's
    own `getOrCreate()` would start one."""
    context = SparkContext._active_spark_context
    return context if context is not None and getattr(context, "_jsc", None) is not None else None


def cores(spark: SparkSession) -> int | None:
    """How many cores the executors have that there are now, but at least 2 on a cluster, where
    they come and go; None without a JVM in this process."""
    java = getattr(spark, "_jsparkSession", None)
    return None if java is None else java.sparkContext().defaultParallelism()


def executors(context: SparkContext) -> int:
    """How many executors a cluster has for this context; the driver is none of them."""
    return context._jsc.sc().getExecutorMemoryStatus().size() - 1  # type: ignore[union-attr]


class _Watched:
    """A client's connection that counts the requests that may read rows."""

    def __init__(self, stub: Any):
        self._stub, self.queries = stub, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)

    def ExecutePlan(self, request: Any, **options: Any) -> Any:
        """Run a plan or a command."""
        self.queries += 1
        return self._stub.ExecutePlan(request, **options)

    def AnalyzePlan(self, request: Any, **options: Any) -> Any:
        """Tell something about a plan, which is mostly its schema."""
        self.queries += reads_rows(request)
        return self._stub.AnalyzePlan(request, **options)


def _client(spark: Any) -> Any | None:
    """The client of a Spark Connect session; None for any other."""
    return (
        None
        if spark is None or hasattr(spark, "_jsparkSession")
        else getattr(spark, "client", None)
    )


def _watched(client: Any) -> _Watched:
    with _WATCHING:
        if not isinstance(client._stub, _Watched):
            client._stub = _Watched(client._stub)
        return client._stub


def reads_rows(message: Any) -> bool:
    """Whether the analysis of a plan reads rows: its columns then depend on them."""
    name = message.DESCRIPTOR.name
    if name in ("Transpose", "StatCrosstab", "Parse", "CompressedOperation"):
        return True
    if name == "Aggregate" and message.HasField("pivot") and not message.pivot.values:
        return True
    if name == "DataSource" and not message.schema:
        return True
    return any(
        reads_rows(part)
        for field, value in message.ListFields()
        if field.message_type is not None
        for part in messages_in(field, value)
    )


def messages_in(field: Any, value: Any) -> list[Any]:
    """The messages in a field of a message of Spark Connect's protocol."""
    if field.message_type.GetOptions().map_entry:
        of = field.message_type.fields_by_name["value"].message_type
        return [] if of is None else list(value.values())
    return list(value) if field.is_repeated else [value]
