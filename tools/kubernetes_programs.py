"""Build Kubernetes and what a node of it needs: `make kubernetes`, some minutes, once.

Each folder of `tools/go` is a Go module that requires programs at pinned versions, with the hashes
of all modules; where a program's own module has `replace` directives, `go install` would refuse it.
containerd, runc, the network plugins and nftables are Debian's, unpacked and not installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.go_programs import Go, go_toolchain
from tools.installing import InstallError, say, unfinished
from tools.jars import CACHE, ROOT
from tools.reporting import reported

VERSION = "v1.34.4"
MODULES = ROOT / "tools" / "go"
DEBIAN = (
    *("containerd", "runc", "containernetworking-plugins"),
    *("nftables", "libnftables1", "libnftnl11", "libmnl0", "libjansson4", "libxtables12"),
)

# The programs by the folder of their module: each package, or the module's own.
PROGRAMS: Mapping[str, Mapping[str, str]] = {
    "kubernetes": {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            *("kubectl", "kubelet", "kube-proxy", "kube-scheduler"),
            *("kube-controller-manager", "kube-apiserver"),
        )
    },
    "etcd": {"etcd": "go.etcd.io/etcd/server/v3"},
    "coredns": {"coredns": "."},
    "pause": {"pause": "."},
}


def home() -> Path:
    """Where all of it is; the name contains the digest of what is pinned."""
    digest = hashlib.sha256(" ".join(DEBIAN).encode())
    files = (path for folder in PROGRAMS for path in (MODULES / folder).iterdir())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return CACHE / f"kubernetes-{digest.hexdigest()[:12]}"


def installed() -> bool:
    """Whether everything was built."""
    return (home() / "complete").exists()


def install() -> None:
    """Build and unpack what is not there yet. Raises InstallError."""
    if installed():
        return
    (home() / "bin").mkdir(parents=True, exist_ok=True)
    _unpack_debian()
    with go_toolchain() as go:
        for folder, programs in PROGRAMS.items():
            for name, package in programs.items():
                _build(go, MODULES / folder, name, package)
    for other in CACHE.glob("kubernetes-*"):
        if other != home():
            shutil.rmtree(other)
    (home() / "complete").touch()


def _build(go: Go, module: Path, name: str, package: str) -> None:
    program = home() / "bin" / name
    if program.exists():
        return
    say(f"{name}: building it")
    with unfinished() as directory:
        built = subprocess.run(
            [
                *(go.program, "build", "-trimpath", "-buildvcs=false", "-ldflags", _flags()),
                *("-o", str(directory / name), package),
            ],
            cwd=module,
            env=dict(go.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise InstallError(f"{name} could not be built:\n{built.stderr[-2000:]}")
        (directory / name).rename(program)


def _flags() -> str:
    """The version that Kubernetes's programs report, which clients and Helm ask for."""
    major, minor, _ = VERSION.removeprefix("v").split(".")
    said = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s", "-w", *(f"-X {p}.{k}={v}" for p in packages for k, v in said.items())])


def _unpack_debian() -> None:
    """Unpack Debian's packages of the machine's own release. Raises InstallError."""
    unpacked = home() / "debian"
    if unpacked.exists():
        return
    if not shutil.which("apt-get"):
        raise InstallError(
            "containerd and runc are taken from Debian or Ubuntu: apt-get is missing"
        )
    say(f"{', '.join(DEBIAN)}: from Debian")
    with unfinished() as directory:
        directory.chmod(0o755)
        download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *DEBIAN]
        done = subprocess.run(download, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InstallError(f"run `apt-get update`, then again; apt-get: {done.stderr[-1000:]}")
        for package in directory.glob("*.deb"):
            unpack = ["dpkg-deb", "-x", str(package), str(directory / "root")]
            subprocess.run(unpack, check=True)
        (directory / "root").rename(unpacked)


def environment() -> dict[str, str]:
    """The variables with which the programs find each other and Debian's libraries."""
    debian = home() / "debian" / "usr"
    libraries = ":".join(str(path) for path in (debian / "lib").glob("*-linux-gnu*"))
    own = (home() / "bin", debian / "bin", debian / "sbin")
    path = ":".join([*map(str, own), os.defpath, "/usr/sbin", "/sbin"])
    return {"PATH": path, "LD_LIBRARY_PATH": libraries}


def main() -> int:
    return reported(install, InstallError)


if __name__ == "__main__":
    sys.exit(main())
