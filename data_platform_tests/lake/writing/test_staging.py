"""What a write reports beside its files."""

from pathlib import Path

import pyarrow as pa
from pyspark.sql import types as T

from data_platform.lake.writing.staging import Staged
from data_platform.tables.outcomes import CONTEXT, DATA, NAMED, OUTSIDE, QUARANTINE
from data_platform_tests.support.lake_home import MONDAY, SCHEMA, TUESDAY, LakeHome, days


def _rows(day: str, numbers: list[int], outcome: int, named: str | None = None) -> pa.Table:
    rows = days({day: numbers}, outcome)
    reasons = OUTSIDE if outcome == QUARANTINE else None
    rows = rows.set_column(
        rows.schema.get_field_index("_reasons"),
        "_reasons",
        pa.array([reasons] * len(rows), pa.string()),
    )
    return rows.append_column(NAMED, pa.array([named] * len(rows), pa.string()))


def test_rows_of_other_partitions_are_counted_and_rejected_ones_by_what_they_name(
    tmp_path: Path,
) -> None:
    home = LakeHome(tmp_path)
    home.make_rejecting()
    rows = [
        _rows(MONDAY, [1, 2], DATA),
        _rows(MONDAY, [3, 4, 5], CONTEXT, TUESDAY),
        _rows(MONDAY, [6], QUARANTINE, "2012-01-01"),
        _rows(MONDAY, [7], QUARANTINE, None),
        _rows(TUESDAY, [8], CONTEXT, MONDAY),
    ]

    staged = home.stage(pa.concat_tables(rows), [MONDAY, TUESDAY]).staged

    assert staged.counted(CONTEXT) == {MONDAY: 3, TUESDAY: 1}
    assert staged.rows(DATA) == {MONDAY: 2, TUESDAY: 0}
    assert staged.rows(QUARANTINE) == {MONDAY: 2}
    assert staged.named[MONDAY] == {"2012-01-01": 1, "null": 1}
    assert staged.rules[MONDAY] == {OUTSIDE: 2}
    assert CONTEXT not in staged.files


def test_jobs_of_one_attempt_are_one_write(tmp_path: Path) -> None:
    home = LakeHome(tmp_path)
    home.make_rejecting()
    first = home.stage(_rows(MONDAY, [1], DATA), [MONDAY]).staged
    second = home.stage(_rows(TUESDAY, [2, 3], QUARANTINE, MONDAY), [TUESDAY]).staged

    both = Staged.together([first, second])

    assert both.rows(DATA) == {MONDAY: 1, TUESDAY: 0}
    assert both.rows(QUARANTINE) == {TUESDAY: 2}
    assert both.named[TUESDAY] == {MONDAY: 2}


def test_columns_of_a_table_without_a_quarantine_are_its_own_whatever_their_names(
    tmp_path: Path,
) -> None:
    home = LakeHome(tmp_path)
    home.make(schema=T.StructType([*SCHEMA.fields, T.StructField("_reasons", T.LongType())]))
    rows = days({MONDAY: [1, 2]})
    rows = rows.append_column("_reasons", pa.array([7, None], pa.int64()))

    staged = home.stage(rows, [MONDAY]).staged

    assert (staged.rows(DATA), dict(staged.rules.get(MONDAY, {}))) == ({MONDAY: 2}, {})
