import errno
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_platform.landing.places.objects import DirectoryBucket
from data_platform.storage.files import filesystem
from data_platform.storage.object_store import ObjectStore


def test_keys_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    for name in ["a/b.csv", "a.csv", "a-1.csv", "é.csv", "z/1.csv", "Z.csv"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    keys = [landed.key for landed in DirectoryBucket(tmp_path).list()]
    assert keys == sorted(keys, key=str.encode)
    assert len(keys) == 6


def test_a_listing_takes_a_prefix_and_a_key_to_start_after(tmp_path: Path) -> None:
    for name in ["a1", "a2", "a3", "b1"]:
        (tmp_path / name).write_text("x")
    listed = DirectoryBucket(tmp_path).list("a", start_after="a1")
    assert [landed.key for landed in listed] == ["a2", "a3"]


def test_dotfiles_and_unfinished_files_are_not_listed(tmp_path: Path) -> None:
    for name in [".hidden", ".git/config", "a.csv.tmp", "a.csv.part", "a.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [landed.key for landed in DirectoryBucket(tmp_path).list()] == ["a.csv"]


def test_what_is_no_file_is_listed_as_unusable_and_the_rest_goes_on(tmp_path: Path) -> None:
    for folder in ("aside", "real"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "real" / "z.csv").write_text("x")
    links = {
        "broken": "nowhere", "loop": "loop", "one": "other", "other": "one", "deep": "real/deep",
        "real/deep": "../deep", "long": "x" * 300, "folder": "real", "up": "..", "good": "a.csv",
    }  # fmt: skip
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        cwd = Path.cwd()
        os.chdir(tmp_path)  # a socket's path is short
        try:
            server.bind("socket")
        finally:
            os.chdir(cwd)
        bucket = DirectoryBucket(tmp_path)
        listed = {landed.key: landed for landed in bucket.list()}
        assert all(bucket.head(key) == landed for key, landed in listed.items())
    not_followed = "a link that cannot be followed: "
    loop = f"{not_followed}Too many levels of symbolic links"
    directory = "a link to a directory, which is not followed: move the directory here"
    assert {key: landed.unusable for key, landed in listed.items()} == {
        "a.csv": None,
        "good": None,
        "real/z.csv": None,
        "broken": f"{not_followed}No such file or directory",
        "loop": loop,
        "one": loop,
        "other": loop,
        "deep": loop,
        "real/deep": loop,
        "long": f"{not_followed}File name too long",
        "folder": directory,
        "up": directory,
        "pipe": "a named pipe and no file: remove it",
        "socket": "a socket and no file: remove it",
    }


def test_a_folder_that_may_not_be_entered_is_listed_as_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed/a.csv", "open/b.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    scandir = os.scandir

    def refuse(path: str):  # permissions are nothing to root
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    bucket = DirectoryBucket(tmp_path)
    listed = {landed.key: landed for landed in bucket.list()}
    assert {key: landed.unusable for key, landed in listed.items()} == {
        "closed/": "a folder that cannot be listed: Permission denied", "open/b.csv": None
    }  # fmt: skip
    assert bucket.head("closed/") == listed["closed/"]


def test_folders_may_be_as_deep_as_they_like(tmp_path: Path) -> None:
    folders = [os.path.join(tmp_path, *["d"] * depth) for depth in range(1, 1201)]
    for folder in folders:
        os.mkdir(folder)
    path = Path(folders[-1], "a.csv")
    path.write_text("x")
    [landed] = DirectoryBucket(tmp_path).list()
    assert landed.key.count("/") == 1200
    path.unlink()
    for folder in reversed(folders):  # pytest's own way to remove them ends before that depth
        os.rmdir(folder)


@pytest.mark.parametrize("key", ["a/./b", "./a", "a//b", "/a", "a/../a", "..", "a/b/c", ""])
def test_a_key_that_no_listing_gives_is_no_object(tmp_path: Path, key: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    assert DirectoryBucket(tmp_path).head(key) is None


def test_a_missing_root_is_an_error_and_not_an_empty_bucket(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="landing"):
        list(DirectoryBucket(tmp_path / "landing").list())


def test_times_are_exact_to_the_microsecond(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("xyz")
    os.utime(tmp_path / "a", ns=(0, 1_299_231_845_123_456_789))
    [landed] = DirectoryBucket(tmp_path).list()
    assert landed.modified == datetime(2011, 3, 4, 9, 44, 5, 123456, UTC)
    assert (landed.size, landed.etag) == (3, None)


def test_a_name_that_is_not_utf8_is_listed_escaped_and_says_so(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    for path in (folder / "a.csv", tmp_path / "é.csv", tmp_path / "x\\xff.csv"):
        path.write_text("x")
    listed = {landed.key: landed.unusable for landed in DirectoryBucket(tmp_path).list()}
    assert listed == {
        "\\xff/a.csv": "its name is not UTF-8; rename it", "x\\xff.csv": None, "é.csv": None
    }  # fmt: skip


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    for name, text in {"a": "x", "b": "x", "c": "y"}.items():
        (tmp_path / name).write_text(text)
    a, b, c = (DirectoryBucket(tmp_path).content_hash(key) for key in "abc")
    assert a == b != c


@pytest.mark.parametrize("name", ["plain.csv", "a b.csv", "50%25 #?é.csv"])
def test_a_uri_opens_the_object_it_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    for uri in [DirectoryBucket(tmp_path).uri(name), str(tmp_path / name)]:
        files, path = filesystem(uri, ObjectStore())
        with files.open_input_stream(path) as stream:
            assert stream.read() == b"x"
