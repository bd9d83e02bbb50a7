"""Docker for images and their tests: a client that builds, a daemon, the base image.

`python -m tools.docker [--fresh] TARGET ...` builds images. It uses the Docker that runs. Tests may
start a daemon of their own (`daemon`), with its data below .cache/, where none runs and they are
root.

Where the base image cannot be pulled, `debootstrap` makes one of the same name: the same packages
from Debian, without the registry. Settings: DOCKER_HOST, PIP_INDEX_URL, GOPROXY, MAVEN_REPOSITORY,
and SSL_CERT_FILE for certificates that builds have to trust.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from data_platform.operations.versions import installed_version
from data_platform.storage.waiting import wait
from tools.go_programs import VERSITYGW, GoServer
from tools.installing import say
from tools.jars import CACHE, ROOT
from tools.reporting import reported

BASE = "debian:bookworm-slim"
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
SOURCES = f"""\
deb {MIRROR} {SUITE} main
deb {MIRROR} {SUITE}-updates main
deb {MIRROR}-security {SUITE}-security main
"""
KEPT = "6GB"  # of layers, for the next build: about what the two images of the platform need
PATIENCE = 60  # seconds for a daemon to start
BUILT = ROOT / "docker" / "services" / "built"
PASSED_ON = ("PIP_INDEX_URL", "GOPROXY", "MAVEN_REPOSITORY")


class DockerError(Exception):
    """Docker cannot do it; the message says what to do."""


@dataclass(frozen=True)
class Image:
    """An image of this project: a target of a Dockerfile."""

    target: str
    file: str
    name: str


_SERVICES = "docker/services/Dockerfile"
IMAGES = {
    image.target: image
    for image in (
        Image("platform", "docker/Dockerfile", "data-platform:local"),
        Image("spark", "docker/Dockerfile", "data-platform-spark:local"),
        Image("dagster-plus", "docker/Dockerfile", "data-platform-dagster-plus:local"),
        Image("postgres", _SERVICES, "data-platform-postgres:local"),
        Image("store", _SERVICES, "data-platform-store:local"),
        Image("queue", _SERVICES, "data-platform-queue:local"),
    )
}


@dataclass(frozen=True)
class Docker:
    """A Docker client; `environment` is added to this process's own."""

    program: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the client."""
        return {**os.environ, **self.environment}

    def run(self, *arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
        """A command's output. Raises DockerError if it fails."""
        done = self.ask(*arguments, **options)
        if done.returncode:
            raise DockerError(
                f"docker {' '.join(arguments[:4])} failed:\n{(done.stderr or done.stdout)[-4000:]}"
            )
        return done

    def ask(self, *arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
        """A command's output and exit code, whatever that is."""
        given: dict = {"capture_output": True, "text": True, "env": self.variables} | options
        return subprocess.run([self.program, *arguments], check=False, **given)

    @property
    def runs(self) -> bool:
        """Whether there is a daemon that answers."""
        return self.ask("version").returncode == 0

    def has(self, image: str) -> bool:
        """Whether the image is there."""
        return self.ask("image", "inspect", image).returncode == 0


def client(host: str = "") -> Docker:
    """The first Docker client that builds with BuildKit. Raises DockerError if there is none."""
    found = dict.fromkeys(filter(None, (shutil.which("docker"), "/usr/bin/docker")))
    for program in found:
        if os.access(program, os.X_OK) and _builds(program):
            own = {"DOCKER_HOST": host} if host else {}
            return Docker(program, {"DOCKER_BUILDKIT": "1", **own})
    raise DockerError(
        "no Docker client that builds images with BuildKit. Debian 12: apt-get install docker.io; "
        "later ones: apt-get install docker-cli docker-buildx; others: https://docs.docker.com"
    )


def _builds(program: str) -> bool:
    """Clients before 23 have BuildKit themselves, later ones as the plugin buildx."""
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = asked.stdout.removeprefix("Docker version ").partition(".")[0]
    if version.isdecimal() and 19 <= int(version) < 23:
        return True
    buildx = subprocess.run([program, "buildx", "version"], capture_output=True, check=False)
    return buildx.returncode == 0


# --- the daemon ---------------------------------------------------------------------------


@contextmanager
def daemon() -> Iterator[Docker]:
    """The Docker that runs, or else one of our own until the block ends, whose images are kept.

    Raises DockerError if none runs and none can be started.
    """
    running = client()
    if running.runs:
        yield running
        return
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if os.geteuid() or not program:
        raise DockerError(
            "Docker does not run: start it, or as root install one (Debian: apt-get install "
            "docker.io debootstrap)"
        )
    # Its socket's path must be short, and its data on a disk, below a path without links.
    data = (CACHE / "docker").resolve()
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="docker-") as name, (data / "log").open("wb") as log:
        own = Docker(running.program, {**running.environment, "DOCKER_HOST": f"unix://{name}/sock"})
        process = subprocess.Popen(
            [
                *(program, "--host", f"unix://{name}/sock", "--data-root", str(data / "data")),
                *("--exec-root", f"{name}/exec", "--pidfile", f"{name}/pid"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait(lambda: process.poll() is not None or own.runs, PATIENCE)
            if not own.runs:
                end = (data / "log").read_text("utf-8", "replace")[-2000:]
                raise DockerError(f"dockerd did not start; {data / 'log'} ends:\n{end}")
            yield own
            tidy(own)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def tidy(docker: Docker) -> None:
    """Delete what no image's name leads to: earlier builds of each image, and layers that builds
    kept beyond the newest ones."""
    docker.run("container", "prune", "--force")
    docker.run("image", "prune", "--force")
    docker.run("builder", "prune", "--force", "--keep-storage", KEPT)


# --- images -------------------------------------------------------------------------------


def build(docker: Docker, image: Image, *, fresh: bool = False) -> None:
    """Build the image. Raises DockerError with the end of the output.

    Layers that did not change are not built again, and keep the packages of Debian that they have;
    a `fresh` image has the newest ones.
    """
    ensure_base(docker, fresh=fresh)
    if image.target == "store":
        _hand_over(VERSITYGW)
    certificates = os.environ.get("SSL_CERT_FILE", "")
    say(f"Image {image.name}")
    docker.run(
        *("build", "--file", image.file, "--target", image.target, "--tag", image.name),
        *("--network", "host", "--progress", "plain", "--build-arg", f"REVISION={revision()}"),
        *("--build-arg", f"VERSION={installed_version().split()[0]}"),
        *(["--no-cache"] if fresh else []),
        *(f"--build-arg={name}" for name in PASSED_ON if os.environ.get(name)),
        *([f"--secret=id=ca,src={certificates}"] if certificates else []),
        ".",
        cwd=ROOT,
    )


def _hand_over(server: GoServer) -> None:
    """Put the program that `make services` has built where the image's build takes it from."""
    if platform.system() == "Linux" and server.binary.exists():
        BUILT.mkdir(exist_ok=True)
        shutil.copy2(server.binary, BUILT / server.name)


def megabytes(docker: Docker, image: Image) -> int:
    """The size of the image's layers, unpacked."""
    size = docker.run("image", "inspect", "--format", "{{.Size}}", image.name).stdout
    return round(int(size) / 1_000_000)


def revision() -> str:
    """The commit of the checkout, with `-dirty` if files differ from it; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def ensure_base(docker: Docker, *, fresh: bool = False) -> None:
    """Pull the base image, or make it where no registry is reached; a `fresh` one even if an older
    one is there. Raises DockerError."""
    if docker.has(BASE) and not fresh:
        return
    if docker.ask("pull", "--quiet", BASE).returncode == 0:
        return
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if os.geteuid() or not program:
        raise DockerError(
            f"{BASE} cannot be pulled; to make it from Debian's packages: as root, apt-get install "
            "debootstrap, and run this again"
        )
    say(f"{BASE} cannot be pulled: making it from Debian's packages")
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unfinished-") as name:
        root = Path(name, "root")
        made = subprocess.run(
            [program, "--variant=minbase", SUITE, str(root), MIRROR],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise DockerError(f"debootstrap failed:\n{made.stdout[-2000:]}{made.stderr[-2000:]}")
        _slim(root)
        packed = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        docker.run("import", "--change", 'CMD ["bash"]', "-", BASE, stdin=packed.stdout)
        if packed.wait():
            raise DockerError(f"{root} could not be packed")


def _slim(root: Path) -> None:
    """As the official image: other sources, no downloads, documentation or translations."""
    (root / "etc/apt/sources.list").write_text(SOURCES)
    for emptied in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(root / emptied)
        (root / emptied).mkdir()
    kept = [f"path-exclude=/usr/share/{each}/*" for each in ("man", "doc", "locale", "info")]
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text("\n".join(kept) + "\n")
    for removed in ("man", "doc", "locale", "info"):
        shutil.rmtree(root / "usr/share" / removed, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build images of this project.")
    parser.add_argument("targets", nargs="+", choices=list(IMAGES))
    parser.add_argument("--fresh", action="store_true", help="with the newest packages of Debian")
    given = parser.parse_args(arguments)

    def build_all() -> None:
        docker = client()
        if not docker.runs:
            raise DockerError("Docker does not run; start it")
        for target in given.targets:
            build(docker, IMAGES[target], fresh=given.fresh)
            print(f"{IMAGES[target].name}: {megabytes(docker, IMAGES[target])} MB")

    return reported(build_all, DockerError)


if __name__ == "__main__":
    sys.exit(main())
