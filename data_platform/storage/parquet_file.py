"""A Parquet file that is written batch by batch, in row groups of a useful size."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 64 << 20  # of rows in memory; about a tenth of it on disk
ROW_GROUP_ROWS = 1 << 20  # at most, so that readers of narrow tables can share and skip groups


class ParquetFile:
    """A Parquet file to write. Batches wait in memory until they fill a row group; the file is
    opened with the first group, by calling `sink`.

    `rows` counts the rows, `written` the bytes in memory of the row groups that are in the file,
    `waiting` those of the rows that are not. `footer` is written beside the schema. `options` are
    further ones of PyArrow's ParquetWriter.
    """

    def __init__(
        self,
        sink: Callable[[], pa.NativeFile],
        schema: pa.Schema,
        *,
        footer: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.rows = 0
        self.written = 0
        self.waiting = 0
        self._batches: list[pa.RecordBatch] = []
        self._open, self._schema, self._options = sink, schema, options
        self._footer = dict(footer or {})
        self._sink: pa.NativeFile | None = None
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self.waiting += batch.nbytes
        self.rows += batch.num_rows
        if self.waiting >= ROW_GROUP_BYTES:
            self.flush()

    @property
    def is_open(self) -> bool:
        """Whether the file has been opened."""
        return self._sink is not None

    @property
    def size(self) -> int:
        """The bytes in the file so far."""
        return self._sink.tell() if self._sink else 0

    def flush(self) -> None:
        """Write the waiting rows as one row group, or several if they are many; PyArrow's
        write_batch makes one per batch."""
        if self._batches:
            rows = pa.Table.from_batches(self._batches)
            self._opened().write_table(rows, row_group_size=ROW_GROUP_ROWS)
        self.written += self.waiting
        self._batches, self.waiting = [], 0

    def close(self) -> int:
        """Write what waits and the footer. Returns the file's size in bytes.

        The sink is closed even if that fails.
        """
        writer = self._opened()
        assert self._sink
        with self._sink as sink:
            self.flush()
            writer.add_key_value_metadata(self._footer)
            writer.close()
            return sink.tell()

    def abandon(self) -> None:
        """Close the file without what waits, if it is open: nobody will read it."""
        self._batches, self.waiting = [], 0
        if self.is_open:
            self.close()

    def _opened(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._sink = sink = self._open()
            try:
                self._writer = pq.ParquetWriter(
                    sink,
                    self._schema,
                    compression="zstd",
                    compression_level=1,
                    store_schema=False,
                    **self._options,
                )
            except BaseException:
                sink.close()
                raise
        return self._writer
