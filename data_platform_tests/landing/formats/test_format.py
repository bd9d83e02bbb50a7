"""What every format must do. A new one gets a line in FORMATS."""

import csv
import io
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.contracts.meaning import digest_of
from data_platform.landing.formats.csv import Csv
from data_platform.landing.formats.format import Format, UnreadableObject, rows_schema
from data_platform_tests.support.json_lines import JsonLines

Row = tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """A format, a writer of files with the columns a and b, and files to try it on.

    `odd` has two rows, of which the second does not fit the columns and is `odd_text`. `foreign`
    files are not of the format.
    """

    make: Callable[[tuple[str, ...]], Format]
    write: Callable[[Sequence[Row]], bytes]
    odd: bytes
    odd_text: str
    foreign: tuple[bytes, ...]


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    return text.getvalue().encode()


def _json_lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows).encode()


_BINARY = b"PK\x03\x04\x00\x00\xff\xfe"
FORMATS = {
    "csv": Sample(Csv, _csv, b"a,b\n1,2\n3\n", "3", (b"", b"x,y\n1,2\n", _BINARY)),
    "json lines": Sample(
        JsonLines, _json_lines, b'{"a": "1", "b": "2"}\n{"a": "3"}\n', '{"a": "3"}',
        (b"a,b\n1,2\n", b"[1]\n", _BINARY),
    ),
}  # fmt: skip


@pytest.fixture(params=FORMATS.values(), ids=list(FORMATS))
def sample(request: pytest.FixtureRequest) -> Sample:
    return request.param


def _read(format: Format, content: bytes) -> pa.Table:
    batches = list(format.read(io.BytesIO(content), key="the key"))
    assert all(batch.schema.equals(rows_schema(format.schema)) for batch in batches)
    return pa.Table.from_batches(batches, rows_schema(format.schema))


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


@pytest.mark.parametrize("sample", FORMATS.values(), ids=list(FORMATS))
@given(rows=st.lists(st.tuples(_text, _text), max_size=5))
def test_rows_are_read_as_written_and_numbered_in_order(sample: Sample, rows: list[Row]) -> None:
    found = _read(sample.make(("a", "b")), sample.write(rows))
    assert found.to_pylist() == [
        {"a": a, "b": b, "_row_number": number, "_rescued": None}
        for number, (a, b) in enumerate(rows, start=1)
    ]


def test_a_large_object_comes_in_several_batches_with_numbers_that_go_on(sample: Sample) -> None:
    content = sample.write([("one", "x" * 1000)] * 5000)
    batches = list(sample.make(("a", "b")).read(io.BytesIO(content), key="the key"))
    assert len(batches) > 1
    numbers = [n for batch in batches for n in batch.column("_row_number").to_pylist()]
    assert numbers == list(range(1, 5001))


def test_a_row_that_does_not_fit_is_kept_with_its_text(sample: Sample) -> None:
    good, odd = _read(sample.make(("a", "b")), sample.odd).to_pylist()
    assert good == {"a": "1", "b": "2", "_row_number": 1, "_rescued": None}
    assert (odd["a"], odd["b"], odd["_row_number"]) == ("3", None, 2)
    assert json.loads(odd["_rescued"])["text"] == sample.odd_text


def test_bytes_that_are_not_of_the_format_are_unreadable_and_say_why(sample: Sample) -> None:
    for content in sample.foreign:
        with pytest.raises(UnreadableObject) as caught:
            _read(sample.make(("a", "b")), content)
        assert caught.value.key == "the key"
        assert caught.value.message


class _Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError("the store hung up")

    def __next__(self) -> bytes:
        return self.read()


def test_an_error_of_the_store_is_not_one_of_the_object(sample: Sample) -> None:
    with pytest.raises(ConnectionResetError):
        list(sample.make(("a", "b")).read(_Broken(b"a,b\n"), key="the key"))


def test_a_format_is_a_value_whose_fields_are_its_fingerprint(sample: Sample) -> None:
    one, same, other = (sample.make(columns) for columns in (("a", "b"), ("a", "b"), ("b", "a")))
    assert one == same == pickle.loads(pickle.dumps(one))
    assert digest_of(one) == digest_of(same) != digest_of(other)


def test_the_fingerprint_of_csv_is_that_of_what_is_stored() -> None:
    assert digest_of(Csv(("a", "b"))) == "199a4279d4475bfb"


@pytest.mark.parametrize("columns", [(), ("a", "a"), ("_row_number",), ("a", "A")], ids="-".join)
def test_columns_that_no_table_can_have_are_refused(
    sample: Sample, columns: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="columns="):
        sample.make(columns)


def test_the_columns_are_those_declared_in_their_order(sample: Sample) -> None:
    schema = sample.make(("b", "a")).schema
    assert schema.names == ["b", "a"]
    assert all(field.nullable for field in schema)
