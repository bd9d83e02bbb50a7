"""Install the real servers that tests and benchmarks run against: `make services`.

Everything is installed below .cache/ under versioned names, and renamed into place when complete,
so that nothing is installed twice. `python -m tools.services [NAME ...]` installs some of them, and
`compose` and `registry` for `make docker-test`, `jaeger` and `osv-scanner` for `make soak`.
"""

import argparse
import fcntl
import os
import platform
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data_platform.engine.java import java
from tools.environments import AUDITORS, MANIFESTS, LockedEnvironment, PackagesError
from tools.go_programs import COMPOSE, GO_SERVERS, JAEGER, REGISTRY, SCANNER, install_go_servers
from tools.installing import InstallError, remove_others, say, unfinished
from tools.jars import CACHE, SPARK, Jar, JarError, fetch, read_lock

KEYCLOAK_BUILD = ("--db=dev-mem",)  # what an optimized start cannot change
POSTGRES_PLATFORMS = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64v8",
    ("Darwin", "x86_64"): "darwin-amd64",
    ("Darwin", "arm64"): "darwin-arm64v8",
}


def postgres_jar() -> Jar:
    """The jar of PostgreSQL's programs for this machine. Raises InstallError if there is none."""
    machine = (platform.system(), platform.machine())
    if machine not in POSTGRES_PLATFORMS:
        known = ", ".join(" ".join(each) for each in POSTGRES_PLATFORMS)
        raise InstallError(f"no PostgreSQL is pinned for {' '.join(machine)}; only for: {known}")
    name = f"embedded-postgres-binaries-{POSTGRES_PLATFORMS[machine]}"
    return next(jar for jar in read_lock()["postgres"] if jar.artifact == name)


def postgres_home() -> Path:
    """The directory with PostgreSQL's bin, lib and share."""
    return CACHE / f"postgres-{postgres_jar().version}"


def keycloak_home() -> Path:
    """The directory with Keycloak's bin and lib."""
    return CACHE / f"keycloak-{read_lock()['keycloak'][0].version}"


# --- how each is installed ----------------------------------------------------------------


def install_jars(section: str) -> None:
    """Fetch the jars of a section of jars.lock. Raises JarError."""
    jars = read_lock()[section]
    if fetched := fetch(jars, CACHE / section):
        say(f"{section}: {fetched} of {len(jars)} jars fetched")


def install_postgres() -> None:
    """Unpack PostgreSQL's programs, unless they are there. Raises InstallError, JarError."""
    if (home := postgres_home()).exists():
        return
    jar = postgres_jar()
    say(f"PostgreSQL {jar.version}")
    with unfinished() as directory:
        fetch([jar], directory)
        with zipfile.ZipFile(directory / jar.name) as archive:
            inner = next(name for name in archive.namelist() if name.endswith(".txz"))
            with archive.open(inner) as stream, tarfile.open(fileobj=stream, mode="r|xz") as files:
                # The archive's checksum is verified, so its links and modes are trusted.
                files.extraction_filter = lambda member, _: member
                files.extractall(directory / "postgres")
        (directory / "postgres").rename(home)
    remove_others(home, "postgres-*")


def install_keycloak() -> None:
    """Unpack Keycloak, and prepare it for a quick start, unless it is there. Raises InstallError,
    JarError."""
    if (home := keycloak_home()).exists():
        return
    program = java()
    if program is None:
        say("Keycloak is left out: it needs Java 17 or later")
        return
    [archive] = read_lock()["keycloak"]
    say(f"Keycloak {archive.version}: preparing it (takes a minute, once)")
    with unfinished() as directory:
        fetch([archive], directory)
        with tarfile.open(directory / archive.name) as files:
            files.extractall(directory, filter="data")
        unpacked = directory / f"keycloak-{archive.version}"
        command = ["/bin/sh", str(unpacked / "bin" / "kc.sh"), "build", *KEYCLOAK_BUILD]
        environment = {**os.environ, "JAVA": str(program)}
        built = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if built.returncode:
            raise InstallError(f"Keycloak could not be prepared:\n{built.stdout[-2000:]}")
        unpacked.rename(home)
    remove_others(home, "keycloak-*")


def install_environment(environment: LockedEnvironment, what: str) -> None:
    """Install the environment, unless it is there. Raises PackagesError."""
    if not environment.installed():
        say(what)
        environment.install()


OTHERS: Mapping[str, Callable[[], None]] = {
    SPARK: lambda: install_jars(SPARK),
    "readers": lambda: install_jars("readers"),
    "postgres": install_postgres,
    "elasticmq": lambda: install_jars("elasticmq"),
    "auditors": lambda: install_environment(
        AUDITORS, "prowler and parliament: a separate environment with 160 packages, 760 MB"
    ),
    "keycloak": install_keycloak,
    "manifests": lambda: install_environment(
        MANIFESTS, "checkov and kubernetes-validate: a separate environment with 100 packages"
    ),
}
BY_NAME_ONLY = frozenset({COMPOSE.name, JAEGER.name, REGISTRY.name, SCANNER.name})
SERVICES = (*OTHERS, *GO_SERVERS)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Install the servers that the tests run against.")
    usual = [name for name in SERVICES if name not in BY_NAME_ONLY]
    parser.add_argument("names", nargs="*", default=usual, metavar="NAME")
    names = parser.parse_args(arguments).names
    if unknown := [name for name in names if name not in SERVICES]:
        parser.error(f"{', '.join(unknown)}: no such service; there are: {', '.join(SERVICES)}")
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # concurrent commands run one after the other
        try:
            _install(names)
        except (InstallError, JarError, PackagesError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def _install(names: Sequence[str]) -> None:
    """Downloads and builds wait for different things, so they go on side by side."""

    def others() -> None:
        for name in names:
            if name in OTHERS:
                OTHERS[name]()

    def programs() -> None:
        install_go_servers(*(GO_SERVERS[name] for name in names if name in GO_SERVERS))

    with ThreadPoolExecutor() as pool:
        for installed in [pool.submit(others), pool.submit(programs)]:
            installed.result()


if __name__ == "__main__":
    sys.exit(main())
