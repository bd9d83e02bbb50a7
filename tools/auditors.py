"""The outside auditors, prowler and parliament, in an environment of their own below .cache/.

Installed from `auditors.lock`, by `make services`; run as programs, since none of their packages
may meet ours.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tools.jars import CACHE, ROOT

LOCK = ROOT / "tools" / "auditors.lock"


class AuditorsError(Exception):
    """The auditors cannot be installed, or are not; the message says what to do."""


def home() -> Path:
    """Where this lock's environment is; its name has the lock's digest, so it is never stale."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return CACHE / f"auditors-{digest}"


def installed() -> bool:
    return (home() / "complete").exists()


def program(name: str) -> Path:
    """A program of the environment. Raises AuditorsError where it is not installed."""
    if not installed():
        raise AuditorsError(f"{name} is not installed: run `make services`")
    return home() / "bin" / name


def install() -> None:
    """Make the environment; others, of an older lock or unfinished, go. Raises AuditorsError."""
    directory = home()
    for other in CACHE.glob("auditors-*"):
        shutil.rmtree(other)
    # Not renamed into place when finished: an environment works in its own place only.
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    options = ["--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", str(LOCK)]
    if subprocess.run([*pip, *options], check=False).returncode:
        raise AuditorsError(
            "the packages of tools/auditors.lock could not be installed, for pip's reasons above.\n"
            "       No network? Behind a proxy: export HTTPS_PROXY=http://host:port\n"
            "       An index of your own: export PIP_INDEX_URL=https://host/simple"
        )
    (directory / "complete").touch()
