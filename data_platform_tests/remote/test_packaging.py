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
