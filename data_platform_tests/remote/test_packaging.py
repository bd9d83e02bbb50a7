"""What `data-platform package` makes."""

import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_platform.operations.packaging import (
    LEFT_OUT,
    PackagingError,
    locked,
    needed,
    package,
)
from data_platform.settings.model import CHECKOUT


def test_a_package_has_every_module_of_the_project_and_the_same_bytes_each_time(
    tmp_path: Path, made_package: Path
) -> None:
    again = package(tmp_path, dependencies=False)
    with tarfile.open(made_package / "packages.tar.gz") as archive:
        packed = {name for name in archive.getnames() if name.endswith(".py")}
    root = Path(__file__).parents[2]
    modules = {str(each.relative_to(root)) for each in (root / "data_platform").rglob("*.py")}

    assert modules <= packed
    assert again.directory.name == made_package.name
    with zipfile.ZipFile(made_package / "data-platform.gluewheels.zip") as wheels:
        listed = wheels.read("wheels/requirements.txt").decode().split()
    assert listed == [f"./{name}" for name in again.wheels]


def test_what_a_job_imports_is_packaged_and_the_services_own_is_not() -> None:
    found = needed()

    assert {"dagster", "dagster-pipes", "pyarrow", "pyiceberg", "sqlalchemy"} <= found
    assert not found & LEFT_OUT


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_what_is_needed_is_pinned_once_for_the_python_of_the_service(python: str) -> None:
    """The lock has several versions of a package, each for other versions of Python."""
    entries = locked(CHECKOUT / "requirements.lock", python).splitlines()
    heads = [line.removesuffix(" \\") for line in entries if not line.startswith(" ")]
    versions = dict(head.split("==") for head in heads)

    assert versions.keys() == needed(python)
    assert len(heads) == len(versions)
    assert versions["numpy"].startswith("2.4." if python == "3.11" else "2.5.")
    assert {"pandas", "pyarrow"} <= versions.keys()


def test_a_package_that_is_not_locked_is_named(tmp_path: Path) -> None:
    text = (CHECKOUT / "requirements.lock").read_text()
    (tmp_path / "lock").write_text(re.sub(r"^pyiceberg==", "other==", text, flags=re.MULTILINE))

    with pytest.raises(PackagingError, match=r"has no pyiceberg for Python 3\.11"):
        locked(tmp_path / "lock", "3.11")


def test_a_directory_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"has no pyproject\.toml"):
        package(tmp_path / "out", also=[tmp_path], dependencies=False)


_BACKEND = """
import zipfile

def build_wheel(directory, *_):
    info = "acme-1.0.dist-info"
    with zipfile.ZipFile(f"{directory}/acme-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("acme.py", "")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/METADATA", METADATA)
        wheel.writestr(f"{info}/RECORD", "")
    return "acme-1.0-py3-none-any.whl"
"""


def _project(directory: Path, *requirements: str) -> Path:
    """A project that is built without another package."""
    lines = ["Metadata-Version: 2.1", "Name: acme", "Version: 1.0"]
    metadata = "\n".join([*lines, *(f"Requires-Dist: {each}" for each in requirements), ""])
    directory.mkdir()
    (directory / "backend.py").write_text(f"METADATA = {metadata!r}\n{_BACKEND}")
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    return directory


@pytest.mark.parametrize(
    ("requirement", "named"),
    [
        ("shapely>=2", "shapely>=2"),
        ("pandas>=3", r"pandas>=3 \(packaged: 2\..*\)"),
        ("fsspec[sftp]", "paramiko"),  # of the extra
    ],
)
def test_what_a_project_requires_and_the_package_lacks_is_named(
    tmp_path: Path, requirement: str, named: str
) -> None:
    project = _project(tmp_path / "acme", "click", "pyspark>=4", requirement)

    with pytest.raises(PackagingError, match=f"acme requires {named}, which is not packaged"):
        package(tmp_path / "out", also=[project])
    assert not (tmp_path / "out").exists()


def test_what_another_python_or_an_extra_requires_need_not_be_packaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = ('shapely; python_version < "3"', 'shapely; extra == "maps"')
    project = _project(tmp_path / "acme", "data-platform", "click>=8", "pyspark>=4", *elsewhere)
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(PackagingError, match="pip download failed"):  # the next thing to be done
        package(tmp_path / "out", also=[project])


def test_requirements_are_not_compared_for_an_image_that_has_them(tmp_path: Path) -> None:
    made = package(
        tmp_path / "out", also=[_project(tmp_path / "acme", "shapely")], dependencies=False
    )

    assert "acme-1.0-py3-none-any.whl" in made.wheels
