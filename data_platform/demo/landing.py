"""Putting files into the landing bucket, whole or not at all: a sensor may be looking."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from data_platform.demo.generator import generate, land

PREFIX = "online_retail"


def land_generated(landing: Path, *, seed: int) -> int:
    """Two months of shop files, then a second version of one of them; gives their number."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = generate(Path(folder), seed)
        land(Path(folder), manifest.reupload)
        return land_folder(Path(folder), landing)


def land_folder(folder: Path, landing: Path) -> int:
    """Copy a folder's files; those that are there already, byte for byte, stay as they are."""
    files = [path for path in _files(folder)]
    for path in files:
        relative = path.relative_to(folder)
        key = relative if relative.parts[0] == PREFIX else Path(PREFIX) / relative
        _land(path, landing / key)
    return len(files)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


def _land(source: Path, target: Path) -> None:
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)
