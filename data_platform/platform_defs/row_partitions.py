"""Map values to the partitions being written.

Spark's Python workers import this module: it needs PyArrow and NumPy only.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_platform.tables.identity import PartitionValue

_NEVER = np.iinfo(np.int64).min
_DAY = 86_400_000_000  # microseconds
_FAR = 100_000_000  # days from 1970: later than any partition


@dataclass(frozen=True)
class Wanted:
    """The partitions being written, in one dimension: the value of type `kind` stored for each.

    A partition is a span of time, from `starts` up to `ends` (exclusive) in microseconds since
    1970, in the order of time; or, without those, of the rows whose value, as text, is its key.
    """

    keys: tuple[str, ...]
    held: tuple[PartitionValue, ...]
    kind: pa.DataType
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def of(self, values: pa.Array) -> pa.Array:
        """The stored value of each value's partition; null if it belongs to none of them."""
        held = pa.array(self.held, self.kind)
        if not self.starts:
            keys = pa.array(self.keys, pa.string())
            texts = values.cast(keys.type)
            return held.take(pc.call_function("index_in", [texts], pc.SetLookupOptions(keys)))
        moments = _microseconds(values)
        number = np.searchsorted(self.starts, moments, side="right") - 1
        inside = (number >= 0) & (moments < np.asarray(self.ends)[number])
        return held.take(pa.array(number, mask=~inside))


def _microseconds(values: pa.Array) -> np.ndarray:
    """Microseconds since 1970: midnight for dates, UTC for timestamps with a zone."""
    if pa.types.is_date(values.type):  # the last dates would overflow 64 bits as microseconds
        days = values.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
        bounded = np.clip(days.fill_null(0).to_numpy(zero_copy_only=False), -_FAR, _FAR)
        return np.where(values.is_null().to_numpy(zero_copy_only=False), _NEVER, bounded * _DAY)
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    moments = values.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    return moments.fill_null(_NEVER).to_numpy(zero_copy_only=False)
