import bz2
import gzip
import io
import json
import lzma
import random
import shutil
import subprocess
import zipfile

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from data_platform.landing.formats.csv import Csv
from data_platform.landing.formats.csv_reader import read_csv
from data_platform.landing.formats.format import UnreadableObject

ROWS = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(2000))


def said(data: bytes, encoding: str = "utf-8") -> str:
    with pytest.raises(UnreadableObject) as caught:
        list(read_csv(io.BytesIO(data), Csv(columns=("a", "b"), encoding=encoding), key="k"))
    return caught.value.message


def zipped(name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, ROWS)
    return target.getvalue()


def table(write) -> bytes:
    target = io.BytesIO()
    write(pa.table({"a": [1], "b": [2]}), target)
    return target.getvalue()


KINDS = {
    "compressed with gzip, not CSV: unpack it before it lands (gunzip)": gzip.compress(ROWS),
    "compressed with bzip2, not CSV: unpack it before it lands (bunzip2)": bz2.compress(ROWS),
    "compressed with xz, not CSV: unpack it before it lands (unxz)": lzma.compress(ROWS),
    "compressed with zstd, not CSV: unpack it before it lands (unzstd)": pa.compress(
        ROWS, "zstd", asbytes=True
    ),
    "a ZIP archive, not CSV: unpack it before it lands (unzip)": zipped("rows.csv"),
    "an Excel workbook (xlsx), not CSV: export it as CSV before it lands": zipped("xl/sheet.xml"),
    "a Parquet file, not CSV: export it as CSV before it lands": table(parquet.write_table),
    "an ORC file, not CSV: export it as CSV before it lands": table(orc.write_table),
    "JSON, not CSV: export it as CSV before it lands": json.dumps([{"a": 1, "b": 2}]).encode(),
    "a PDF, not CSV: land the data it was made from, as CSV": b"%PDF-1.7\n\xff\xff",
    "a web page, not CSV: maybe the answer of a failed download: fetch it again": (
        b"<!doctype HTML><title>403</title>\n"
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize("expected", KINDS)
def test_another_kind_of_file_is_told_with_the_way_out(expected: str, encoding: str) -> None:
    assert said(KINDS[expected], encoding) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_encodings_mark_is_told(encoding: str) -> None:
    declare = f"declare Csv(encoding='{encoding}')"
    for declared in ("utf-8", "latin-1"):
        message = said(ROWS.decode().encode(encoding), declared)
        assert "it begins with that encoding's mark" in message
        assert message.endswith(declare)


def test_utf8_with_a_mark_declared_as_latin1_is_told() -> None:
    message = said(b"\xef\xbb\xbfa,b\n1,2\n", "latin-1")
    assert message.startswith(
        "UTF-8 (it begins with that encoding's mark), and latin-1 is declared"
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told(encoding: str) -> None:
    message = said(ROWS.decode().encode(encoding))
    assert message.endswith(f"declare Csv(encoding='{encoding}')")


def test_a_header_may_begin_as_other_files_do() -> None:
    columns = Csv(columns=("PAR1", "ORC"))
    [batch] = read_csv(io.BytesIO(b"PAR1,ORC\n1,2\n"), columns, key="k")
    assert batch.num_rows == 1


def test_random_bytes_are_binary_and_no_other_encoding_is_advised() -> None:
    data = b"\xfe" + random.Random(7).randbytes(5000)
    assert said(data).startswith("binary, not CSV: ")


def test_text_in_another_encoding_is_no_binary() -> None:
    message = said("a,b\ncafé,2\n".encode("cp1252"))
    assert message.startswith("not utf-8: byte 0xe9 at offset 7, line 2; if the file is meant")


@pytest.mark.skipif(not shutil.which("tar"), reason="no tar here")
def test_a_tar_is_binary(tmp_path) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS)
    tar = subprocess.run(
        ["tar", "-C", tmp_path, "-c", "rows.csv"], capture_output=True, check=True
    ).stdout
    assert "not CSV" in said(tar)
