"""Mark the rows that may repeat another one, before any of them are compared.

All rows of a key have to be in one task to choose the winner. But most keys have one row, and
shuffling, sorting or grouping it costs more than all other work on it. So the hashes of the keys
are counted first, which shuffles 8 bytes per row, and only rows whose hash occurs again are
compared. The key has to be the same each time that the rows are computed.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_platform.contracts.names import quoted

MOST_MARKED = 250_000
# Column names that no table can have, so they do not clash with an input's columns.
MAY_REPEAT = "data-platform may repeat"
_HASH, _REPEATED, _ROWS = "data-platform hash", "data-platform repeated", "rows"


def with_repeats_marked(rows: DataFrame, key: Sequence[Column], tasks: int) -> DataFrame | None:
    """The rows, each marked if another row may have its key; without a key, no row is marked.

    Returns None if more than MOST_MARKED rows would be marked: the duplicates among them are sent
    to every task. Runs one job of `tasks` tasks, and keeps the hashes of the repeated keys in the
    plan, at most 1 MB.
    """
    none = rows.withColumn(MAY_REPEAT, F.lit(False))
    if not key:
        return none
    hash_of_key = F.xxhash64(*key)
    hashes = rows.select(hash_of_key.alias(_REPEATED)).repartition(tasks, _REPEATED)
    repeated = hashes.mapInArrow(_counted, f"{quoted(_REPEATED)} long, {_ROWS} long")
    repeated = repeated.limit(MOST_MARKED // 2 + 1).toArrow()  # each hash has two rows or more
    if sum(repeated[_ROWS].to_pylist()) > MOST_MARKED:
        return None
    if not repeated.num_rows:
        return none
    known = rows.sparkSession.createDataFrame(repeated.select([_REPEATED]))
    return (
        rows.withColumn(_HASH, hash_of_key)
        .join(F.broadcast(known), F.col(_HASH) == F.col(_REPEATED), "left")
        .withColumn(MAY_REPEAT, F.col(_REPEATED).isNotNull())
        .drop(_HASH, _REPEATED)
    )


def _counted(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The hashes that occur more than once, with their counts. Sorting the numbers is several times
    as fast as Spark's aggregation of as many groups as rows."""
    found = [batch.column(0).to_numpy() for batch in batches]
    if not found:
        return
    values, counts = np.unique(np.concatenate(found), return_counts=True)
    more = counts > 1
    yield pa.record_batch({_REPEATED: values[more], _ROWS: counts[more].astype("int64")})
