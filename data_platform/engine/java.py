"""Find the Java that a local Spark would start, and its version."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from data_platform.settings.environment import java_home

VERSIONS = (17, 21)  # that PySpark 4.1 runs on


def java() -> Path | None:
    """The Java program that `engine.session.prepare_environment` and Spark's scripts would use."""
    for home in (Path(sys.prefix) / "java", *([Path(java_home())] if java_home() else [])):
        if (home / "bin/java").exists():
            return home / "bin/java"
    found = shutil.which("java")
    return Path(found) if found else None


def version_of(program: Path) -> int | None:
    """The program's major version; None if it reports none."""
    try:
        ended = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = re.search(r'version "(?:1\.)?(\d+)', ended.stderr + ended.stdout)
    return int(said[1]) if said and ended.returncode == 0 else None
