"""A Parquet file that is written batch by batch, in row groups of a useful size."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 64 << 20  # of rows in memory; about a tenth of it on disk
ROW_GROUP_ROWS = 1 << 20  # at most, so that readers of narrow tables can share and skip groups


class ParquetFile:
    """An open Parquet file. Batches wait in memory until they fill a row group.

    `rows` counts the rows, `written` the bytes in memory of the row groups that are in the file,
    `waiting` those of the rows that are not.
    `options` are further ones of PyArrow's ParquetWriter.
    """

    def __init__(self, sink: pa.NativeFile, schema: pa.Schema, **options: Any) -> None:
        self.rows = 0
        self.written = 0
        self._waiting: list[pa.RecordBatch] = []
        self.waiting = 0
        self._sink = sink
        self._writer = pq.ParquetWriter(
            sink, schema, compression="zstd", compression_level=1, store_schema=False, **options
        )

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self.waiting += batch.nbytes
        self.rows += batch.num_rows
        if self.waiting >= ROW_GROUP_BYTES:
            self._write_group()

    @property
    def size(self) -> int:
        """The bytes in the file so far."""
        return self._sink.tell()

    def close(self) -> int:
        """Write what waits and the footer. Returns the file's size in bytes.

        The sink is closed even if that fails.
        """
        with self._sink:
            self._write_group()
            self._writer.close()
            return self._sink.tell()

    def abandon(self) -> None:
        """Close the file without what waits: nobody will read it."""
        self._waiting, self.waiting = [], 0
        self.close()

    def _write_group(self) -> None:
        """Write the waiting rows as one row group, or several if they are many; PyArrow's
        write_batch makes one per batch."""
        if self._waiting:
            rows = pa.Table.from_batches(self._waiting)
            self._writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
        self.written += self.waiting
        self._waiting, self.waiting = [], 0
