"""The names of the columns that the platform adds to tables. Imports nothing.

Those that tell what becomes of a row on its way to the files are in `outcomes`.
"""

SOURCE_OBJECT = "_source_object"  # the key of the landed object that the row is from
ROW_NUMBER = "_row_number"  # its data row in that object, from 1
LINEAGE = (SOURCE_OBJECT, ROW_NUMBER)
INGESTED_AT = "_ingested_at"  # when the ledger first recorded that version of the object, UTC
RESCUED = "_rescued"  # JSON of a row that did not fit the object's header; otherwise null

RECEIVED = "_received"  # in silver's function: the row as bronze has it, as one column

ATTEMPT = "_attempt"  # of a rejected row: the write that it belongs to
TRACE = "_trace"  # of a rejected row: the trace of that write's run
REPEATS_OBJECT = "_repeats_object"  # of a duplicate: the lineage of the row that it repeats
REPEATS_ROW = "_repeats_row"
