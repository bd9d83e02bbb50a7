"""Files that count once the last one is written."""

import pytest

from data_platform.storage.archive import ArchiveError, new_archive, open_archive
from data_platform_tests.support.places import Place

ABOUT = {"made": "today"}
LINES = [f"{number} lines\n" for number in range(100_000)]


def written(place: Place, *, finished: bool = True) -> str:
    root = f"{place.root}/archives/one"
    archive = new_archive(root, place.storage)
    with archive.writing("folder/lines") as stream:
        for line in LINES:
            stream.write(line.encode())
    with archive.writing("empty"):
        pass
    if finished:
        archive.finish(ABOUT)
    return root


def test_what_was_written_is_read_again_and_is_smaller_meanwhile(place: Place) -> None:
    root = written(place)

    archive = open_archive(root, place.storage)

    archive.verify()
    assert ABOUT.items() <= archive.about.items()
    with archive.reading("folder/lines") as stream:
        assert stream.read() == "".join(LINES).encode()
    with archive.reading("empty") as stream:
        assert stream.read() == b""
    sizes = {file.path.removeprefix(root): file.size for file in place.storage.files(root)}
    assert sizes.keys() == {"/folder/lines.zst", "/empty.zst", "/contents.json"}
    assert sizes["/folder/lines.zst"] < len("".join(LINES)) / 2


def test_one_that_was_not_finished_or_does_not_exist_is_not_opened(place: Place) -> None:
    root = written(place, finished=False)

    with pytest.raises(ArchiveError, match="was interrupted before it was complete"):
        open_archive(root, place.storage)
    with pytest.raises(ArchiveError, match="does not exist"):
        open_archive(f"{root}/nothing", place.storage)
    with pytest.raises(ArchiveError, match="holds files already"):
        new_archive(root, place.storage)


@pytest.mark.parametrize("how", ["missing", "cut", "changed"])
def test_a_file_that_is_not_as_it_was_written_is_named(place: Place, how: str) -> None:
    root = written(place)
    file = f"{root}/folder/lines.zst"
    content = place.read(file)
    match how:
        case "missing":
            place.delete(file)
        case "cut":
            place.write(file, content[:-1])
        case "changed":
            place.write(file, content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(ArchiveError, match="folder/lines missing or damaged"):
        open_archive(root, place.storage).verify()
