"""A driver that asks the workers what they can import: `python importing.py MASTER HOME MODULE...`.

It asks in a session of plain Spark, and then in one of the platform, and prints both answers as
JSON: where each module was found, None if it is not there; and what the workers' processes have in
their environment.
"""

import json
import sys
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import SparkSession


def asked(spark: SparkSession, names: list[str]) -> dict[str, str | None]:
    """Where a worker finds each module; pickled by value, so that it needs nothing of ours."""

    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import importlib
        import os

        import pyarrow

        for _ in batches:
            for name in names:
                try:
                    place = importlib.import_module(name).__file__
                except ModuleNotFoundError:
                    place = None
                yield pyarrow.record_batch(
                    {"name": [name], "place": pyarrow.array([place], "string")}
                )
            home = pyarrow.array([os.environ.get("HOME")], "string")
            yield pyarrow.record_batch({"name": ["HOME"], "place": home})

    frame = spark.range(8, numPartitions=8).mapInArrow(find, "name string, place string")
    return {row["name"]: row["place"] for row in frame.collect()}


def main(master: str, home: str, *names: str) -> None:
    builder = SparkSession.Builder()
    plain = (builder.remote if master.startswith("sc://") else builder.master)(master).getOrCreate()
    before = asked(plain, list(names))
    plain.stop()

    from data_platform.engine.parallelism import parallelism
    from data_platform.engine.session import start_session
    from data_platform.settings.engine import Engine
    from data_platform.settings.environment import settings_at

    for name in names:
        __import__(name)
    spark = start_session(settings_at(home, spark=Engine(master)))
    after = asked(spark, list(names))
    print(json.dumps({"before": before, "after": after, "cores": parallelism(spark)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
