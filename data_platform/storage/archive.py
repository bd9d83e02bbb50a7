"""Files that count together, once a last file is written that lists them with their digests.

An archive that was interrupted has no such file, so it is never taken for a whole one.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from data_platform.storage.errors import LakeError
from data_platform.storage.files import Storage
from data_platform.storage.object_store import is_object

CONTENTS = "contents.json"
_CODEC, _SUFFIX = "zstd", ".zst"
_CHUNK = 1 << 20  # bytes


class ArchiveError(LakeError):
    """An archive cannot be written or read; the message says which, why and what to do."""


@dataclass(frozen=True)
class NewArchive:
    """An archive that is being written to an empty place."""

    place: str
    storage: Storage
    _files: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """A stream for the bytes of a new file, which are compressed and hashed on the way."""
        stored = name + _SUFFIX
        location = f"{self.place}/{stored}"
        self.storage.make_folder(location.rpartition("/")[0])
        with self.storage.open_output(location) as sink:
            hashed = _Hashed(sink)
            with pa.CompressedOutputStream(pa.PythonFile(hashed, "w"), _CODEC) as stream:
                yield stream
        self._files[name] = {"bytes": hashed.bytes, "sha256": hashed.digest.hexdigest()}

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write the last file, with what is said `about` the archive."""
        contents = json.dumps({**about, "files": self._files}, indent=1).encode()
        location = f"{self.place}/{CONTENTS}"
        if is_object(location):  # an object appears when it is complete
            with self.storage.open_output(location) as sink:
                sink.write(contents)
            return
        final = Path(location.removeprefix("file://"))
        unfinished = final.with_suffix(".part")
        unfinished.write_bytes(contents)
        os.replace(unfinished, final)


@dataclass(frozen=True)
class Archive:
    """A whole archive; `about` is what was said when it was finished."""

    place: str
    storage: Storage
    about: Mapping[str, Any]

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """A stream of a file's bytes."""
        with self.storage.open_input(f"{self.place}/{name}{_SUFFIX}") as source:
            yield pa.CompressedInputStream(source, _CODEC)  # type: ignore[misc]

    def verify(self) -> None:
        """Read every file once. Raises ArchiveError naming those that are missing or damaged."""
        wrong = [name for name in self.about["files"] if not self._is_whole(name)]
        if wrong:
            raise ArchiveError(
                f"{self.place}: {', '.join(wrong)} missing or damaged; use another backup, or "
                "copy this one again from where it was made"
            )

    def _is_whole(self, name: str) -> bool:
        digest = hashlib.sha256()
        try:
            with self.storage.open_input(f"{self.place}/{name}{_SUFFIX}") as source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == self.about["files"][name]["sha256"]


def new_archive(place: str, storage: Storage) -> NewArchive:
    """An archive at an empty place. Raises ArchiveError where there are files already."""
    if next(iter(storage.files(place)), None):
        raise ArchiveError(
            f"{place} holds files already, perhaps of an earlier or interrupted backup; name "
            "another place, or delete them"
        )
    return NewArchive(place, storage)


def open_archive(place: str, storage: Storage) -> Archive:
    """A whole archive. Raises ArchiveError where there is none, or an unfinished one."""
    try:
        with storage.open_input(f"{place}/{CONTENTS}") as source:
            about = json.loads(source.read())
    except FileNotFoundError:
        there = next(iter(storage.files(place)), None)
        why = "was interrupted before it was complete" if there else "does not exist"
        raise ArchiveError(f"the backup {place} {why}; name another one") from None
    return Archive(place, storage, about)


class _Hashed:
    """A binary sink that counts and hashes what passes to another."""

    closed = False

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.bytes = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self._sink.write(content)
        self.digest.update(content)
        self.bytes += len(content)
        return len(content)

    def flush(self) -> None:
        self._sink.flush()

    def close(self) -> None:
        """The sink is closed by whoever opened it."""
