"""The memory of Sail's operators is bounded by the setting: they spill to disk, or fail."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from time import sleep

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.build.failures import explanation
from data_platform.engine.warm.place import Place, Spec
from data_platform_tests.support.warm_engines import attached, end

pytestmark = pytest.mark.connect_only

ROWS = 1_000_000  # of about 100 bytes each
LITTLE, ENOUGH = "64m", "2g"


@contextmanager
def _session(place: Place, spec: Spec, memory: str) -> Iterator[SparkSession]:
    """A session of a warm engine with so much memory."""
    engine = attached(place, replace(spec, memory=memory))
    session = SparkSession.builder.remote(engine.address).create()
    try:
        yield session
        session.stop()
        engine.release()
    finally:
        end(place)


def _digests(session: SparkSession) -> DataFrame:
    """Different texts of 64 bytes."""
    numbers = session.range(0, ROWS, 1, 2)
    return numbers.select("id", F.sha2(F.col("id").cast("string"), 256).alias("digest"))


def _spills_while(query: "Future[int]", place: Place) -> bool:
    spilled = False
    while not query.done():
        with suppress(FileNotFoundError):  # a file or directory of the engine is gone again
            spilled = spilled or any(path.is_file() for path in place.work.rglob("*"))
        sleep(0.01)
    return spilled


@pytest.mark.parametrize(("memory", "spills"), [(LITTLE, True), (ENOUGH, False)])
def test_groups_beyond_the_memory_of_sail_are_spilled_to_disk(
    place: Place, spec: Spec, memory: str, spills: bool
) -> None:
    with _session(place, spec, memory) as session, ThreadPoolExecutor(1) as pool:
        query = pool.submit(_digests(session).groupBy("digest").count().count)

        assert _spills_while(query, place) == spills
        assert query.result() == ROWS


def test_what_sail_cannot_spill_fails_with_the_way_out_and_the_engine_lives_on(
    place: Place, spec: Spec
) -> None:
    def first_digest(session: SparkSession) -> str:
        all_but_one = _digests(session).orderBy("digest").limit(ROWS - 1)
        return all_but_one.agg(F.min("digest")).collect()[0][0]

    with _session(place, spec, LITTLE) as session:
        with pytest.raises(PySparkException, match=r"pool_size: 64.0 MB") as failed:
            first_digest(session)

        assert "raise DATA_PLATFORM_SPARK_MEMORY" in (explanation(str(failed.value)) or "")
        assert session.range(3).count() == 3
    with _session(place, spec, ENOUGH) as session:
        assert first_digest(session).startswith("00000")
