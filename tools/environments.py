"""Programs with their own environments below .cache/, whose packages conflict with the project's.

Each is installed from a lock with hashes, `tools/NAME.lock`.
"""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.jars import CACHE, ROOT


class PackagesError(Exception):
    """An environment is not, or cannot be, installed; the message says what to do."""


@dataclass(frozen=True)
class LockedEnvironment:
    """The packages of `tools/NAME.lock`; `command` installs them."""

    name: str
    command: str

    @property
    def lock(self) -> Path:
        """The file with the pinned packages."""
        return ROOT / "tools" / f"{self.name}.lock"

    @property
    def home(self) -> Path:
        """The environment's directory; its name contains the lock's digest, so that it is never
        outdated."""
        digest = hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]
        return CACHE / f"{self.name}-{digest}"

    def installed(self) -> bool:
        """Whether the installation was completed."""
        return (self.home / "complete").exists()

    def program(self, name: str) -> Path:
        """The path of a program. Raises PackagesError if the environment is not installed."""
        if not self.installed():
            raise PackagesError(f"{name} is not installed: run `{self.command}`")
        return self.home / "bin" / name

    def install(self) -> None:
        """Install it; removes unfinished ones and those of older locks. Raises PackagesError."""
        for other in CACHE.glob(f"{self.name}-*"):
            shutil.rmtree(other)
        # Not renamed into place when finished: an environment cannot be moved.
        subprocess.run([sys.executable, "-m", "venv", str(self.home)], check=True)
        pip = [str(self.home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        options = ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
        if subprocess.run([*pip, *options, "-r", str(self.lock)], check=False).returncode:
            raise PackagesError(
                f"the packages of {self.lock.relative_to(ROOT)} could not be installed, for pip's "
                "reasons above.\n"
                "       No network? Behind a proxy: export HTTPS_PROXY=http://host:port\n"
                "       An index of your own: export PIP_INDEX_URL=https://host/simple"
            )
        (self.home / "complete").touch()


AUDITORS = LockedEnvironment("auditors", "make services")  # prowler and parliament
MANIFESTS = LockedEnvironment("manifests", "make services")  # checkov and kubernetes-validate
DOCS = LockedEnvironment("docs", "make docs")  # the generator of the documentation site
