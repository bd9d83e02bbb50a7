"""Vulnerable packages are found in locks and in bills of materials, with advisories made here."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from data_platform_tests.support.servers import not_there
from tools.go_programs import SCANNER
from tools.sbom import debian, document, python
from tools.scan import Finding, ScanError, findings, judge, scan

OPENSSL = "libssl3 3.0.11-1~deb12u2 amd64 openssl 3.0.11-1~deb12u2"
SAFE = "libc6 2.36-9+deb12u4 amd64 glibc 2.36-9+deb12u4"


def advisory(identity: str, ecosystem: str, name: str, **fixed: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, *([fixed] if fixed else [])]
    return {
        "schema_version": "1.6.0",
        "id": identity,
        "modified": "2024-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as osv-scanner downloads it, with an advisory that has a fix and one without."""
    if not SCANNER.binary.exists():
        not_there("osv-scanner is not installed: run `make scan-tools`")
    database = tmp_path_factory.mktemp("advisories")
    for made in (
        advisory("GHSA-q2q7-5pp4-w6pg", "PyPI", "urllib3", fixed="1.26.5"),
        advisory("DEBIAN-CVE-2024-0727", "Debian:12", "openssl"),
    ):
        ecosystem = made["affected"][0]["package"]["ecosystem"].partition(":")[0]
        folder = database / "osv-scalibr" / ecosystem
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            archive.writestr(f"{made['id']}.json", json.dumps(made))
    return database


def lock(directory: Path, *pins: str) -> Path:
    file = directory / "requirements.lock"
    file.write_text("".join(f"{pin} \\\n    --hash=sha256:{64 * '0'}\n" for pin in pins))
    return file


def materials(directory: Path, *, packages: str, distributions: str) -> Path:
    file = directory / "platform.cdx.json"
    components = [*debian(packages), *python(distributions)]
    file.write_text(json.dumps(document("image", "sha256:1", components)))
    return file


def test_a_vulnerable_pin_is_found_with_the_version_that_fixes_it(
    scanner: Path, tmp_path: Path
) -> None:
    found = scan([lock(tmp_path, "urllib3==1.26.4", "idna==3.10")], database=scanner)

    assert found == [Finding("urllib3", "1.26.4", "GHSA-q2q7-5pp4-w6pg", ("1.26.5",))]
    with pytest.raises(ScanError, match=r"urllib3 1\.26\.4: GHSA-\S+, fixed in 1\.26\.5"):
        judge(found)


def test_a_pin_that_is_fixed_is_not_found(scanner: Path, tmp_path: Path) -> None:
    assert scan([lock(tmp_path, "urllib3==1.26.5")], database=scanner) == []


def test_packages_of_an_image_are_found_those_of_debian_by_their_source(
    scanner: Path, tmp_path: Path
) -> None:
    file = materials(tmp_path, packages=f"{OPENSSL}\n{SAFE}\n", distributions="urllib3 1.26.4\n")

    found = scan([file], database=scanner)

    assert [(each.package, each.fixed) for each in found] == [
        ("openssl", ()),
        ("urllib3", ("1.26.5",)),
    ]


def test_what_nothing_fixes_yet_is_listed_and_no_error(scanner: Path, tmp_path: Path) -> None:
    file = materials(tmp_path, packages=OPENSSL, distributions="urllib3 1.26.5\n")

    lines = judge(scan([file], database=scanner))

    assert lines[0] == "openssl 3.0.11-1~deb12u2: DEBIAN-CVE-2024-0727, not fixed yet"
    assert len(lines) == 2


def test_a_lock_without_packages_is_an_error(scanner: Path, tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"requirements\.lock: no package could be compared"):
        scan([lock(tmp_path)], database=scanner)


def test_missing_advisories_are_an_error(scanner: Path, tmp_path: Path) -> None:
    file = materials(tmp_path, packages=OPENSSL, distributions="urllib3 1.26.5\n")

    with pytest.raises(ScanError, match="no package could be compared"):
        scan([file], database=tmp_path)


@pytest.mark.parametrize(
    ("kind", "event", "fixed"),
    [
        ("ECOSYSTEM", {"fixed": "2.1"}, ("2.1",)),
        ("ECOSYSTEM", {"last_affected": "2.0"}, ("a version after 2.0",)),
        ("ECOSYSTEM", {"introduced": "0"}, ()),
        ("GIT", {"fixed": 40 * "a"}, ()),
    ],
)
def test_a_fix_is_a_version_that_can_be_installed(
    kind: str, event: dict[str, str], fixed: tuple[str, ...]
) -> None:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "acme"},
        "ranges": [{"type": kind, "events": [event]}],
    }
    found = {
        "package": {"name": "acme", "version": "2.0", "ecosystem": "PyPI"},
        "groups": [{"ids": ["PYSEC-1"]}],
        "vulnerabilities": [{"id": "PYSEC-1", "affected": [affected]}],
    }

    [finding] = findings({"results": [{"packages": [found]}]})

    assert finding == Finding("acme", "2.0", "PYSEC-1", fixed)
