"""A directory has a whole site, the old one or the new one, and loses nothing else."""

import os
from pathlib import Path

import pytest

from data_platform.operations.site import publishing
from data_platform.operations.site.publishing import LIST, NotASite, put

OLD = {"index.html": "old", "tables/gone.html": "old"}
NEW = {"index.html": "new", "owners/b.html": "new"}


def files_in(directory: Path) -> dict[str, str]:
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != LIST)
    return {path.relative_to(directory).as_posix(): path.read_text() for path in found}


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_new_site_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:  # as on a system that cannot
        monkeypatch.setattr(publishing, "_exchanged", lambda *_: False)
    put(OLD, tmp_path / "site")
    put(NEW, tmp_path / "site")

    assert files_in(tmp_path / "site") == NEW
    assert os.listdir(tmp_path) == ["site"]


def test_an_empty_directory_and_one_below_a_missing_one_are_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    put(NEW, tmp_path / "empty")
    put(NEW, tmp_path / "not" / "there")

    assert files_in(tmp_path / "empty") == files_in(tmp_path / "not" / "there") == NEW


@pytest.mark.parametrize("before", [{}, OLD])
def test_a_directory_with_another_file_is_left_as_it_is(
    tmp_path: Path, before: dict[str, str]
) -> None:
    site = tmp_path / "site"
    put(before, site) if before else site.mkdir()
    (site / "mine.txt").write_text("mine")

    with pytest.raises(NotASite, match=r"mine\.txt; name an empty or new directory"):
        put(NEW, site)

    assert files_in(site) == {**before, "mine.txt": "mine"}


def test_a_link_to_a_file_elsewhere_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").symlink_to(tmp_path)

    with pytest.raises(NotASite, match=r"index\.html"):
        put(NEW, tmp_path / "site")


def test_a_site_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(OLD, tmp_path / "site")
    with pytest.raises(OSError):
        put({**NEW, "index.html/below": "a file cannot be a directory too"}, tmp_path / "site")

    assert files_in(tmp_path / "site") == OLD
    assert os.listdir(tmp_path) == ["site"]


def test_the_old_site_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(OLD, tmp_path / "site")
    rename, renamed = os.rename, []

    def once(source: Path, target: Path) -> None:
        renamed.append(target)
        if len(renamed) == 2:
            raise PermissionError(target)
        rename(source, target)

    monkeypatch.setattr(publishing, "_exchanged", lambda *_: False)
    monkeypatch.setattr(os, "rename", once)
    with pytest.raises(PermissionError):
        put(NEW, tmp_path / "site")

    assert files_in(tmp_path / "site") == OLD
