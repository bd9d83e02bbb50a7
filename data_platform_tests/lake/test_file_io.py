"""How many requests PyIceberg's files take, by the access log of a real store."""

import uuid
from pathlib import Path

import pyarrow as pa
import pytest

from data_platform.lake import file_io
from data_platform.lake.file_io import LakeFileIO
from data_platform.lake.files import files_by_partition
from data_platform.tables.outcomes import DATA
from data_platform_tests.support.lake_home import MONDAY, SALES, LakeHome, days
from data_platform_tests.support.places import Place
from tools.servers import S3Server


class Log:
    """What was asked of the store since the last look, as operations."""

    def __init__(self, server: S3Server) -> None:
        assert server.access_log
        self._path: Path = server.access_log
        self._seen = len(self._lines())

    def _lines(self) -> list[str]:
        return self._path.read_text().splitlines()

    def new(self) -> list[str]:
        lines = self._lines()
        fresh, self._seen = lines[self._seen :], len(lines)
        return [line.split()[7] for line in fresh]


@pytest.fixture
def home(tmp_path: Path, versitygw: S3Server) -> LakeHome:
    return LakeHome(tmp_path, Place.bucket(versitygw))


@pytest.fixture
def io(home: LakeHome) -> LakeFileIO:
    found = home.make().io
    assert isinstance(found, LakeFileIO)
    return found


@pytest.fixture
def log(io: LakeFileIO, versitygw: S3Server) -> Log:
    return Log(versitygw)


def metadata(home: LakeHome) -> str:
    return f"{home.place.root}/warehouse/x/metadata/00001-{uuid.uuid4()}.metadata.json"


def test_a_metadata_file_is_written_in_one_request_and_read_in_none(
    home: LakeHome, io: LakeFileIO, log: Log
):
    path = metadata(home)
    with io.new_output(path).create() as stream:
        stream.write(b"{")
        stream.write(b"}")
    with io.new_input(path).open() as stream:
        assert stream.read() == b"{}"
    assert log.new() == ["s3_PutObject"]
    assert home.place.read(path) == b"{}"


def test_what_failed_while_it_was_written_is_not_there(home: LakeHome, io: LakeFileIO, log: Log):
    path = metadata(home)
    with pytest.raises(ZeroDivisionError), io.new_output(path).create() as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert log.new() == []
    assert not io.new_input(path).exists()


def test_what_a_table_was_planned_from_is_not_asked_for_again(home: LakeHome, log: Log):
    home.write({MONDAY: [1]})
    file_io.forget()
    log.new()
    files_by_partition(home.again().lake.load(SALES))
    first = log.new()
    files_by_partition(home.again().lake.load(SALES))
    assert "s3_GetObject" in first
    assert log.new() == []


def test_data_files_are_not_remembered(home: LakeHome, io: LakeFileIO, log: Log):
    write = home.write({MONDAY: [1]})
    (file,) = write.staged.files[DATA]
    log.new()
    for _ in range(2):
        with io.new_input(file.path).open() as stream:
            stream.read()
    assert log.new().count("s3_GetObject") == 2


def test_a_footer_is_one_request_and_there_in_a_file_of_its_size_alone(
    home: LakeHome, io: LakeFileIO, log: Log
):
    (file,) = home.stage(days({MONDAY: [1, 2]}), [MONDAY]).staged.files[DATA]
    log.new()
    assert io.footer(file.path, file.bytes).num_rows == 2
    assert log.new() == ["s3_GetObject"]
    for other in (file.bytes - 1, file.bytes + 1):
        with pytest.raises((OSError, pa.ArrowException)):
            io.footer(file.path, other)
    with pytest.raises(OSError, match="during GetObject"):
        io.footer(file.path + "x", file.bytes)


def test_a_deletion_is_one_request(home: LakeHome, io: LakeFileIO, log: Log):
    path = metadata(home)
    home.place.write(path, b"{}")
    log.new()
    io.delete(path)
    assert log.new() == ["s3_DeleteObject"]
    assert home.place.files() & {path} == set()
