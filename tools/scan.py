"""Known vulnerabilities of the locked packages and of an image: `make scan`.

osv-scanner compares a lock, and the bill of materials that `make image` writes, with the advisories
of PyPI, Debian and Maven at osv.dev. One that a newer version fixes is an error; one that nothing
fixes yet is listed. `tools/osv-scanner.toml` has those that are accepted, with a reason and an end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tools.go_programs import SCANNER
from tools.jars import ROOT
from tools.reporting import reported

ACCEPTED = ROOT / "tools" / "osv-scanner.toml"
_FOUND = (0, 1)  # nothing, or something; other codes are failures of the scanner itself


class ScanError(Exception):
    """There is something to update, or nothing could be scanned; the message says which."""


@dataclass(frozen=True, order=True)
class Finding:
    """An advisory about a package; `fixed` are the versions that it does not apply to."""

    package: str
    version: str
    advisory: str
    fixed: tuple[str, ...] = ()

    def __str__(self) -> str:
        end = f"fixed in {', '.join(self.fixed)}" if self.fixed else "not fixed yet"
        return f"{self.package} {self.version}: {self.advisory}, {end}"


def scan(files: Sequence[Path], *options: str, database: Path | None = None) -> list[Finding]:
    """The advisories about what locks and CycloneDX documents list.

    `database` is a folder of downloaded advisories; else osv.dev is asked. Raises ScanError.
    """
    with tempfile.TemporaryDirectory() as directory:
        inputs = [str(_of_sources(file, Path(directory))) for file in files]
        command = [
            *(str(SCANNER.binary), "scan", "source", "--no-resolve", "--all-packages"),
            *("--format", "json", "--verbosity", "error", "--config", str(ACCEPTED)),
            *(["--offline"] if database else []),
            *options,
            *(f"--lockfile={_kind(file)}:{file}" for file in inputs),
        ]
        more = {"OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY": str(database)} if database else {}
        done = _run(command, more)
    report = json.loads(done.stdout) if done.returncode in _FOUND else {}
    scanned = {each["source"]["path"] for each in report.get("results", ()) if each["packages"]}
    if missing := [file for file in inputs if file not in scanned]:
        raise ScanError(
            f"{', '.join(Path(file).name for file in missing)}: no package could be compared with "
            f"the advisories. osv-scanner ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return sorted(set(findings(report)))


def _run(command: Sequence[str], more: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **more}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def _kind(file: str) -> str:
    """What osv-scanner calls the kind of a file; it finds out that of a document by itself."""
    return "requirements.txt" if file.endswith(".lock") else ""


def _of_sources(file: Path, directory: Path) -> Path:
    """A document whose packages of Debian are their sources, which its advisories are about."""
    if file.suffix != ".json":
        return file.resolve()
    document = json.loads(file.read_text("utf-8"))
    components = {each["purl"]: each for each in map(source_of, document["components"])}
    made = directory / file.name
    made.write_text(json.dumps(document | {"components": list(components.values())}), "utf-8")
    return made


def source_of(component: Mapping[str, Any]) -> dict[str, Any]:
    """The source of a package of Debian; any other component itself."""
    purl = urlsplit(component["purl"])
    qualifiers = parse_qs(purl.query)
    if not purl.path.startswith("deb/") or "upstream" not in qualifiers:
        return dict(component)
    name, _, version = qualifiers["upstream"][0].partition("@")
    source = f"pkg:deb/debian/{quote(name)}@{quote(version)}?distro={qualifiers['distro'][0]}"
    return {"type": "library", "name": name, "version": version, "purl": source, "bom-ref": source}


def findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    """What osv-scanner's report has found, without what is accepted."""
    for result in report["results"]:
        for each in result["packages"]:
            package = each["package"]
            kept = {name for group in each.get("groups", ()) for name in group["ids"]}
            for advisory in each.get("vulnerabilities", ()):
                if advisory["id"] in kept:
                    fixed = tuple(sorted(set(filter(None, _fixed(advisory, package)))))
                    yield Finding(package["name"], package["version"], advisory["id"], fixed)


def _fixed(advisory: Mapping[str, Any], package: Mapping[str, str]) -> Iterator[str]:
    for affected in advisory.get("affected", ()):
        of = affected.get("package", {})
        if (of.get("name"), of.get("ecosystem")) == (package["name"], package["ecosystem"]):
            for span in affected.get("ranges", ()):
                if span["type"] != "GIT":  # commits, which no package manager installs
                    yield from map(_beyond, span["events"])


def _beyond(event: Mapping[str, str]) -> str:
    """The first versions that are not affected, as an event of a range says it; else empty."""
    last = event.get("last_affected")
    return f"a version after {last}" if last else event.get("fixed", "")


def judge(found: Iterable[Finding]) -> list[str]:
    """What is said of findings. Raises ScanError if an update helps against one."""
    found = list(found)
    lines = [str(each) for each in found if not each.fixed]
    if updates := [str(each) for each in found if each.fixed]:
        raise ScanError(
            "\n".join(["there are fixes:", *updates])
            + "\nPackages of PyPI: make lock UPGRADE=1; of Debian: make image FRESH=1. To accept "
            f"one for some time: {ACCEPTED.relative_to(ROOT)}"
        )
    return [*lines, f"{len(lines)} known vulnerabilities, none of which has a fix yet"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="locks and CycloneDX documents")
    parser.add_argument("--database", type=Path, help="downloaded advisories, for no network")
    given = parser.parse_args(arguments)

    def check() -> None:
        if absent := [str(file) for file in given.files if not file.exists()]:
            raise ScanError(f"{', '.join(absent)}: no such file; `make image` writes an image's")
        print("\n".join(judge(scan(given.files, database=given.database))))

    return reported(check, ScanError)


if __name__ == "__main__":
    sys.exit(main())
