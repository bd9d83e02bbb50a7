"""A package with all that a job imports but Spark, made from the lock and used as services do."""

import json
import os
import platform
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from data_platform.build.remote_jobs import PACKAGES, WHEELS, job
from data_platform.operations.packaging import HERE, LEFT_OUT, PLATFORMS, Package, locked, package
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.settings.model import CHECKOUT

pytestmark = pytest.mark.soak
runs_here = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="what is compiled in the package is for Linux on x86_64",
)

OURS = canonicalize_name("data-platform")
OF_SPARK = ("pyspark", "py4j")  # what the service has
OPTIONAL = ("adbc_driver_duckdb",)  # of duckdb, for whoever has another package too

IMPORTING = """
import importlib, json, sys
from importlib.metadata import distributions

import data_platform.definitions, data_platform.remote.job

names = {}
for each in distributions(path=[sys.argv[1]]):
    modules = (path.parts[0] for path in each.files or () if path.suffix in (".py", ".so"))
    found = {module.partition(".")[0] for module in modules if not module.endswith("-info")}
    names[each.name] = sorted(name for name in found if name and name not in sys.argv[2:])
for name in (name for each in names.values() for name in each):
    importlib.import_module(name)
files = [getattr(module, "__file__", None) for module in sys.modules.values()]
print(json.dumps({"names": names, "files": [file for file in files if file]}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def unpacked(made: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(made.directory / PACKAGES) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_it_has_what_is_locked_as_wheels_for_the_python_and_platform_of_the_service(
    made: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = _pinned()
    version = tuple(map(int, HERE.split(".")))
    fitting = {
        *cpython_tags(version, platforms=PLATFORMS),
        *compatible_tags(version, "cp", PLATFORMS),
    }
    wheels = {
        name: (version, tags) for name, version, _, tags in map(parse_wheel_filename, made.wheels)
    }

    del wheels[OURS]
    assert {name: str(version) for name, (version, _) in wheels.items()} == pinned
    assert not pinned.keys() & LEFT_OUT
    assert [name for name, (_, tags) in wheels.items() if tags.isdisjoint(fitting)] == []
    with capsys.disabled():
        for file in sorted(made.directory.iterdir()):
            print(f"\n{file.name}: {file.stat().st_size / 2**20:.1f} MB", end="")


def test_its_archive_has_those_packages_and_nothing_of_this_machine(unpacked: Path) -> None:
    files = [path for path in unpacked.rglob("*") if path.is_file()]

    assert _installed(unpacked) == _pinned()
    assert [path for path in files if path.suffix == ".pyc" or path.is_symlink()] == []
    records = [path for path in files if path.name in ("RECORD", "direct_url.json")]
    assert records
    assert [path for path in records if str(CHECKOUT) in path.read_text()] == []


@runs_here
def test_a_python_that_has_spark_alone_imports_every_package_and_the_job(
    unpacked: Path, tmp_path: Path
) -> None:
    for name in OF_SPARK:
        spec = find_spec(name)
        assert spec and spec.submodule_search_locations
        (tmp_path / name).symlink_to(spec.submodule_search_locations[0])
    bare = {"PYTHONPATH": os.pathsep.join(map(str, (unpacked, tmp_path)))}

    said = _run("-S", "-P", "-c", IMPORTING, str(unpacked), *OPTIONAL, environment=bare)

    found = json.loads(said.splitlines()[-1])
    assert {canonicalize_name(name) for name in found["names"]} == {OURS, *_pinned()}
    assert all(found["names"].values()), found["names"]
    there = (f"{unpacked}/", f"{tmp_path}/", f"{sys.base_prefix}/")
    assert [file for file in found["files"] if not file.startswith(there)] == []
    assert [file for file in found["files"] if "site-packages" in file] == []


@runs_here
def test_glues_pip_installs_the_wheels_without_an_index_a_compiler_or_spark(
    made: Package, tmp_path: Path
) -> None:
    """With the options that its job is given."""
    settings = replace(settings_at(tmp_path / "home"), spark=Engine("glue:job"))
    options = job(settings, "name")["Arguments"]["--python-modules-installer-option"].split()
    with zipfile.ZipFile(made.directory / WHEELS) as wheels:
        wheels.extractall(tmp_path)
    _run("-m", "venv", str(tmp_path / "glue"))
    python = tmp_path / "glue/bin/python"
    listed = ("install", "--no-compile", *options, "-r", "requirements.txt")

    _run("-m", "pip", *listed, python=python, folder=tmp_path / "wheels")

    (there,) = (tmp_path / "glue").glob("lib/python*/site-packages")
    assert _installed(there).items() >= _pinned().items()
    assert not _installed(there).keys() & LEFT_OUT


def _pinned() -> dict[NormalizedName, str]:
    lines = locked(CHECKOUT / "requirements.lock", HERE).splitlines()
    heads = (line.removesuffix(" \\") for line in lines if not line.startswith(" "))
    parts = (head.partition("==") for head in heads)
    return {canonicalize_name(name): version for name, _, version in parts}


def _installed(folder: Path) -> dict[NormalizedName, str]:
    """The versions of the packages in a folder, but for this project's."""
    found = {
        canonicalize_name(each.name): each.version for each in distributions(path=[str(folder)])
    }
    del found[OURS]
    return found


def _run(
    *arguments: str,
    python: Path | str = sys.executable,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a process prints that has no program at hand but that Python."""
    ended = subprocess.run(
        [str(python), *arguments],
        cwd=folder,
        env={"PATH": "/nonexistent", "HOME": "/nonexistent", **(environment or {})},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:] or ended.stdout[-3000:]
    return ended.stdout
