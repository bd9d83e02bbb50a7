"""Fetch the jars that jars.lock pins from a Maven repository into .cache/, and verify them.

`python tools/jars.py [SECTION ...]`: each section of the lock is fetched into the directory of its
name; Spark uses `jars`. A file with the right checksum is not fetched again; a jar that is no
longer in the lock is removed. It needs only Python's standard library, so that images can use it.
Setting: MAVEN_REPOSITORY.
"""

import argparse
import configparser
import hashlib
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "tools" / "jars.lock"
CACHE = ROOT / ".cache"
CENTRAL = "https://repo1.maven.org/maven2"
SPARK = "jars"
TIMEOUT = 60  # seconds without a byte


class JarError(Exception):
    """A jar cannot be fetched as locked; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Jar:
    """A Maven artifact and the SHA-256 of its file, a jar unless it has another extension."""

    group: str
    artifact: str
    version: str
    sha256: str
    extension: str = "jar"

    @classmethod
    def parse(cls, coordinates: str, sha256: str) -> "Jar":
        """A jar from `group:artifact:version`, another file from `…:version:extension`."""
        parts = coordinates.split(":")
        if len(parts) not in (3, 4) or len(sha256) != 64:
            raise JarError(
                f"jars.lock has {coordinates} = {sha256}; write group:artifact:version = SHA-256"
            )
        group, artifact, version, *extension = parts
        kind = {"extension": extension[0]} if extension else {}
        return cls(group=group, artifact=artifact, version=version, sha256=sha256, **kind)

    @property
    def coordinates(self) -> str:
        """As `parse` reads them."""
        extension = "" if self.extension == "jar" else f":{self.extension}"
        return f"{self.group}:{self.artifact}:{self.version}{extension}"

    @property
    def name(self) -> str:
        """The file name."""
        return f"{self.artifact}-{self.version}.{self.extension}"

    @property
    def path(self) -> str:
        """Its path within a Maven repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"


def read_lock(lock: Path = LOCK) -> dict[str, list[Jar]]:
    """The jars of each section. Raises JarError for a line that cannot be parsed."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]  # names are case sensitive
    parser.read_string(lock.read_text("utf-8"))
    return {
        section: [Jar.parse(*item) for item in parser.items(section)]
        for section in parser.sections()
    }


def fetch(jars: Sequence[Jar], directory: Path) -> int:
    """Leave exactly these jars in the directory; returns how many were fetched.

    Raises JarError for the first that cannot be fetched; those fetched before are kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.glob("*.jar"):
        if file.name not in {jar.name for jar in jars}:
            file.unlink()
    missing = [jar for jar in jars if not _is_complete(directory / jar.name, jar)]
    # A temporary directory, so that concurrent commands do not write to the same files.
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix=".fetching-") as unfinished,
        ThreadPoolExecutor(8) as pool,
    ):
        for file in pool.map(lambda jar: _verified(jar, Path(unfinished)), missing):
            file.replace(directory / file.name)
    return len(missing)


def _is_complete(file: Path, jar: Jar) -> bool:
    return file.exists() and sha256(file) == jar.sha256


def sha256(file: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(jar: Jar, directory: Path) -> Path:
    """Download the jar, without verifying it; returns its path."""
    url = _url(jar)
    file = directory / jar.name
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, file.open("wb") as stream:
            shutil.copyfileobj(answer, stream)
    except (OSError, HTTPException) as error:
        raise JarError(
            f"{jar.coordinates} could not be fetched from {url}: {error}.\n"
            "       No network? Behind a proxy: export HTTPS_PROXY=http://host:port\n"
            "       Your own repository: export MAVEN_REPOSITORY=https://host/maven2\n"
            "       Complete files are kept; run the same command again to fetch the rest."
        ) from error
    return file


def _url(jar: Jar) -> str:
    repository = os.environ.get("MAVEN_REPOSITORY", "").rstrip("/") or CENTRAL
    return f"{repository}/{jar.path}"


def _verified(jar: Jar, directory: Path) -> Path:
    file = download(jar, directory)
    if (found := sha256(file)) != jar.sha256:
        raise JarError(
            f"{_url(jar)} has the SHA-256 {found},\n"
            f"       but tools/jars.lock has {jar.sha256}; it was not kept.\n"
            "       Fetch it again, from another network or repository (MAVEN_REPOSITORY).\n"
            "       If the lock is wrong: make jars-lock, and check the differences."
        )
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fetch and verify the jars of tools/jars.lock.")
    lock = read_lock()
    parser.add_argument("sections", nargs="*", default=[SPARK], metavar="SECTION")
    for section in parser.parse_args(arguments).sections:
        if section not in lock:
            parser.error(f"jars.lock has no section {section}; it has {', '.join(lock)}")
        try:
            fetched = fetch(lock[section], CACHE / section)
        except JarError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        if fetched:
            print(f"==> Fetched {fetched} of {len(lock[section])} jars into .cache/{section}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
