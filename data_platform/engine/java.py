"""Find the Java that a local Spark would start, and its version."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from data_platform.settings.environment import java_home
from data_platform.settings.values import PREFIX, SettingsError

VERSIONS = (17, 21)  # that PySpark 4.1 runs on
OURS = Path(sys.prefix) / "java"  # the one that tools/bootstrap.sh has chosen, if it found one
WAY_OUT = (
    f"install Java {' or '.join(map(str, VERSIONS))}, set JAVA_HOME to its directory, or set "
    f"{PREFIX}SPARK to sail, which needs none"
)


def chosen_java() -> Path | None:
    """The home of the Java of this environment, None if it has none."""
    return OURS if (OURS / "bin/java").exists() else None


def java() -> Path | None:
    """The Java program that `engine.session.prepare_environment` and Spark's scripts would use."""
    for home in (OURS, *([Path(java_home())] if java_home() else [])):
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


def require_java(engine: str) -> None:
    """Raise SettingsError if this machine has no Java for Spark, or an unsuitable one."""
    program = java()
    version = version_of(program) if program else None
    if version not in VERSIONS:
        found = f"{program} is version {version}" if version else "none was found"
        raise SettingsError(f"{PREFIX}SPARK is {engine}, which needs Java, and {found}: {WAY_OUT}")
