"""Make what jobs of EMR and Glue need: this project, packages with tables, and what they import.

Three files, which a job finds by their names: an entry script; the packages unpacked, in an archive
that EMR puts beside a job (`PYTHONPATH`); and their wheels in a zip, which Glue installs. What this
project imports comes from the lock, with its hashes, for the service's Python and platform, which
may be others than this machine's; projects with tables may import that, and nothing else. Spark
itself is the service's. Builds are reproducible.
"""

import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distributions, requires
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from data_platform.build.remote_jobs import ENTRY, PACKAGES, WHEELS
from data_platform.settings.environment import export
from data_platform.settings.model import CHECKOUT
from data_platform.storage.errors import LakeError

# The service's own, or of Dagster's process alone.
LEFT_OUT = frozenset({"pyspark", "py4j", "pysail", "dagster-webserver", "matplotlib"})
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"  # the version of this Python
_EPOCH = 315532800  # the first moment that a zip can hold, 1980
_ENTRY = '''"""The entry of a job, in a package for Python {python}."""

import sys

if sys.version_info[:2] != {version}:
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"this job runs Python {{found}}, and its package is for {python}: make one with "
        f"`data-platform package --python {{found}}`"
    )

from data_platform.remote.job import main

if __name__ == "__main__":
    sys.exit(main())
'''


class PackagingError(LakeError):
    """A package cannot be made."""


@dataclass(frozen=True)
class Package:
    """What was made: a directory whose name has the version and a digest of its files."""

    directory: Path
    wheels: tuple[str, ...]


def package(
    out: Path,
    *,
    also: Sequence[Path] = (),
    python: str = HERE,
    platforms: Sequence[str] = PLATFORMS,
    dependencies: bool = True,
    lock: Path = CHECKOUT / "requirements.lock",
) -> Package:
    """A package below `out`: this project, the projects in the directories `also`, and, with
    `dependencies`, what this project imports, as `lock` pins it.

    Raises PackagingError if pip fails, if a needed file is missing, or, with `dependencies`, if a
    project in `also` requires what is not packaged.
    """
    if not (CHECKOUT / "pyproject.toml").exists():
        raise PackagingError(
            "packages are built from a checkout, and this installation is not one: clone the "
            "repository"
        )
    export(SOURCE_DATE_EPOCH=str(_EPOCH))  # of the files in wheels
    with TemporaryDirectory(prefix="data-platform-") as folder:
        wheels, unpacked = Path(folder, "wheels"), Path(folder, "packages")
        for project in (CHECKOUT, *also):
            _built_wheel(project, wheels)
        if dependencies:
            pinned = locked(lock, python)
            _require_packaged(wheels, pinned, python)
            _fetch(pinned, wheels, python, platforms)
        made = sorted(wheels.glob("*.whl"))
        target = ["--python-version", python, *_each("--platform", platforms)]
        into = ["--target", str(unpacked), "--no-compile", "--no-deps", "--only-binary=:all:"]
        _pip("install", "--no-index", "--find-links", str(wheels), *into, *target, *_named(made))
        shutil.rmtree(unpacked / "bin", ignore_errors=True)  # scripts, with this machine's paths
        done = Path(folder, "done")
        done.mkdir()
        major, minor = map(int, python.split("."))
        (done / ENTRY).write_text(_ENTRY.format(python=python, version=(major, minor)))
        _archive(unpacked, done / PACKAGES)
        _zip(made, done / WHEELS)
        version = next(each.name.split("-")[1] for each in made if each.name.startswith("data_pl"))
        final = out / f"data-platform-{version}-{_digest(done)}"
        shutil.rmtree(final, ignore_errors=True)
        shutil.copytree(done, final)
    return Package(final, tuple(each.name for each in made))


def needed(python: str = HERE) -> set[str]:
    """The packages that this project imports on the service, from what is installed here."""
    import tomllib

    text = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    asked = [Requirement(each) for each in tomllib.loads(text)["project"]["dependencies"]]
    return {canonicalize_name(each.name) for each in _with_theirs(asked, python)}


def _with_theirs(asked: Iterable[Requirement], python: str) -> list[Requirement]:
    """These requirements and those of what they name, as it is installed here, but for what is
    left out."""
    waiting = list(asked)
    found: dict[str, Requirement] = {}
    while waiting:
        each = waiting.pop()
        if canonicalize_name(each.name) in LEFT_OUT or str(each) in found:
            continue
        found[str(each)] = each
        try:
            more = map(Requirement, requires(each.name) or ())
        except PackageNotFoundError:  # of another platform
            continue
        waiting += [one for one in more if _applies(one, each.extras, python)]
    return list(found.values())


def _require_packaged(wheels: Path, pinned: str, python: str) -> None:
    """Raises PackagingError if a built wheel requires what is neither built nor pinned."""
    built = list(distributions(path=[str(each) for each in sorted(wheels.glob("*.whl"))]))
    there = dict(re.findall(r"^(\S+)==(\S+)", pinned, re.MULTILINE))
    there |= {canonicalize_name(each.name): each.version for each in built}
    for project in built:
        asked = _required_by(project, python)
        missing = {
            f"{each.name}{each.specifier}"
            for each in _with_theirs(asked, python)
            if canonicalize_name(each.name) not in there
        }
        for each in asked:
            version = there.get(canonicalize_name(each.name))
            if version and not each.specifier.contains(version, prereleases=True):
                missing.add(f"{each.name}{each.specifier} (packaged: {version})")
        if missing:
            raise PackagingError(
                f"{project.name} requires {', '.join(sorted(missing))}, which is not packaged: add "
                f"it to the dependencies in {CHECKOUT / 'pyproject.toml'}, run `make lock` and "
                "`make env`, and package again; or install all dependencies in the service's "
                "image, and package with --without-dependencies"
            )


def _required_by(project: Distribution, python: str) -> list[Requirement]:
    found = map(Requirement, project.requires or ())
    return [each for each in found if _applies(each, (), python)]


def _applies(requirement: Requirement, extras: Iterable[str], python: str) -> bool:
    """Whether the requirement applies to that Python on the service's platform."""
    marker = requirement.marker
    there = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    }
    return marker is None or any(marker.evaluate({**there, "extra": e}) for e in ("", *extras))


def locked(lock: Path, python: str) -> str:
    """The entries of the lock for what is needed with that Python, with their hashes and without
    conditions, which pip would check of the Python that runs it."""
    names = needed(python)
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text("utf-8").rstrip()):
        head, hashes, rest = entry.partition(" \\\n")
        if hashes and _applies(requirement := Requirement(head), (), python):
            name = canonicalize_name(requirement.name)
            entries[name] = f"{name}{requirement.specifier} \\\n{rest}"
    if missing := names - entries.keys():
        raise PackagingError(f"{lock} has no {', '.join(sorted(missing))} for Python {python}")
    return "\n".join(entries[name] for name in sorted(names)) + "\n"


def _fetch(pinned: str, wheels: Path, python: str, platforms: Sequence[str]) -> None:
    wheels.mkdir(exist_ok=True)
    file = wheels / "requirements.txt"
    file.write_text(pinned)
    target = ["--python-version", python, *_each("--platform", platforms)]
    strict = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
    _pip("download", *strict, *target, "-r", str(file), "-d", str(wheels))
    file.unlink()


def _built_wheel(project: Path, wheels: Path) -> None:
    if not (project / "pyproject.toml").exists():
        raise PackagingError(f"{project} has no pyproject.toml, so no wheel can be made of it")
    with TemporaryDirectory(prefix="data-platform-") as copy:  # a build leaves files in its source
        source = Path(copy, "source")
        shutil.copytree(project, source, ignore=_left_out, symlinks=True)
        own = ["--no-build-isolation"] if project == CHECKOUT else []
        _pip("wheel", "--no-deps", *own, "-w", str(wheels), str(source))


def _left_out(directory: str, names: list[str]) -> list[str]:
    """What is no source: hidden, made by builds, or by Python."""
    made = {"__pycache__", "node_modules"}
    if "pyproject.toml" in names:  # elsewhere a package may have this name
        made |= {"build", "dist"}
    return [each for each in names if each in made or each.startswith(".")]


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        said = "\n".join(ended.stderr.strip().splitlines()[-8:])
        said = re.sub(r"https?://\S+", "(URL)", said)
        raise PackagingError(f"pip {arguments[0]} failed: {said}")


def _named(wheels: Iterable[Path]) -> list[str]:
    """As requirements: of a file, pip would note down its path here."""
    return ["==".join(each.name.split("-")[:2]) for each in wheels]


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _archive(directory: Path, into: Path) -> None:
    """A tar of what is below the directory, without times and owners."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = _EPOCH, 0, 0, "", ""
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with (
        into.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(directory.rglob("*")):
            if "__pycache__" not in path.parts:
                tar.add(path, str(path.relative_to(directory)), recursive=False, filter=plain)


def _zip(wheels: Sequence[Path], into: Path) -> None:
    """Wheels as Glue takes them: in a folder, with a list of requirements."""
    with zipfile.ZipFile(into, "w") as archive:
        listed = "".join(f"./{each.name}\n" for each in wheels)
        archive.writestr(zipfile.ZipInfo("wheels/requirements.txt"), listed)
        for each in wheels:
            archive.writestr(zipfile.ZipInfo(f"wheels/{each.name}"), each.read_bytes())


def _digest(directory: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(directory.iterdir()):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:12]
