"""tools/bootstrap.sh in a checkout of its own, with an environment that only seems to be one."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from data_platform.settings.model import CHECKOUT

PYTHON = os.path.realpath(sys.executable)
OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}

# Says to be of another base; what would install into its own packages fails.
STUB = f"""#!/bin/sh
case "$2" in
  *base_prefix*) echo another; exit ;;
  *sysconfig*) exit 1 ;;
esac
exec {PYTHON} "$@"
"""


def script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    file.chmod(0o755)
    return file


@dataclass(frozen=True)
class Checkout:
    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def lock(self, text: str) -> None:
        (self.root / "requirements.lock").write_text(text, "utf-8")

    @property
    def java(self) -> Path:
        return self.root / "java"

    def bootstrap(self, *, code: int = 0, **env: str) -> str:
        """What it says."""
        inherited = {**os.environ, "PYTHON": "", "JAVA_HOME": str(self.java)}
        done = subprocess.run(
            ["bash", str(self.root / "tools" / "bootstrap.sh")],
            env={**inherited, **OFFLINE, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stderr


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Where nothing is to do but to prepare Spark on the Java."""
    made = Checkout(tmp_path / "checkout")
    bootstrap = made.root / "tools" / "bootstrap.sh"
    bootstrap.parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / "tools" / "bootstrap.sh", bootstrap)
    (made.root / "tools" / "class_archive.py").touch()
    (made.root / "Makefile").touch()
    made.lock("")
    script(made.java / "bin" / "java", "#!/bin/sh\nexit 1\n")
    script(made.java / "lib" / "server" / "libjvm.so", "")
    (made.java / "release").write_text('JAVA_VERSION="17.0.1"\n')
    script(made.venv / "bin" / "python", STUB)
    lock = sha256(made.root / "requirements.lock")
    (made.venv / "packages.stamp").write_text(f"{lock} {made.root}\n")
    (made.venv / "project.stamp").write_text(f"{sha256(bootstrap)}\n")
    return made


def test_it_says_nothing_the_second_time(checkout: Checkout) -> None:
    assert "Preparing Spark" in checkout.bootstrap()
    assert checkout.bootstrap() == ""


def test_without_a_network_the_environment_of_before_stays_and_the_way_out_is_named(
    checkout: Checkout,
) -> None:
    checkout.lock(f"nothing-of-this-name==1.0 --hash=sha256:{64 * '0'}")

    said = checkout.bootstrap(code=1)

    assert "HTTPS_PROXY" in said and "PIP_INDEX_URL" in said
    assert (checkout.venv / "bin" / "python").read_text() == STUB
    assert not (checkout.root / ".venv.before").exists()


def test_an_installation_that_was_killed_leaves_the_environment_of_before(
    checkout: Checkout,
) -> None:
    checkout.venv.rename(checkout.root / ".venv.before")
    checkout.venv.mkdir()

    assert "Restoring the previous environment" in checkout.bootstrap()
    assert (checkout.venv / "bin" / "python").read_text() == STUB


def test_another_python_makes_the_environment_again(checkout: Checkout) -> None:
    assert "Creating" not in checkout.bootstrap()

    assert "Creating .venv with Python 3" in checkout.bootstrap(PYTHON=PYTHON)

    assert checkout.bootstrap(PYTHON=PYTHON) == ""  # it is the one
    assert checkout.bootstrap() == ""
    assert not (checkout.root / ".venv.before").exists()


def test_a_python_that_does_not_suit_is_refused_by_name(checkout: Checkout) -> None:
    said = checkout.bootstrap(code=1, PYTHON="/bin/false")

    assert said.startswith("error: PYTHON is /bin/false, which is not Python 3.11")
    assert said.count("error:") == 1


def test_of_links_to_a_java_the_home_behind_them_is_taken(checkout: Checkout) -> None:
    """As Homebrew has it: `bin/java`, and neither a release nor a library."""
    keg = checkout.root / "openjdk@17"
    says = f'    java.home = {checkout.java}\nopenjdk version "17.0.1"'
    script(keg / "bin" / "java", f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\n")

    said = checkout.bootstrap(JAVA_HOME=str(keg))

    assert f"Preparing Spark on {checkout.java} " in said
    assert "JAVA_HOME is" not in said


def test_without_a_java_the_environment_is_complete_and_says_how_spark_is_had(
    checkout: Checkout,
) -> None:
    checkout.bootstrap()  # with one
    bootstrap = checkout.root / "tools" / "bootstrap.sh"
    for place in ("/usr/lib/jvm", "/Library", "{/opt/homebrew,/usr/local}"):
        assert place in bootstrap.read_text()
        bootstrap.write_text(bootstrap.read_text().replace(place, str(checkout.root / "none")))
    (checkout.venv / "project.stamp").write_text(f"{sha256(bootstrap)}\n")
    tools = checkout.root / "bin"
    for name in ("bash", "cat", "cut", "dirname", "flock", "rm", "sed", "sha256sum", "tr"):
        if found := shutil.which(name):
            script(tools / name, f'#!/bin/sh\nexec {found} "$@"\n')
    assert "Preparing" not in without_java(checkout, tools)  # the one chosen before is still there
    checkout.java.rename(checkout.root / "gone")

    said = without_java(checkout, tools)

    assert "The default engine, Sail, needs none" in said and "openjdk-17" in said
    assert not (checkout.venv / "java").exists()
    assert without_java(checkout, tools) == ""
    (checkout.root / "gone").rename(checkout.java)
    assert "Preparing Spark" in checkout.bootstrap()


def without_java(checkout: Checkout, tools: Path) -> str:
    """What it says to a shell that has only these tools."""
    return checkout.bootstrap(JAVA_HOME="", PATH=str(tools))


def test_another_library_of_a_java_is_prepared_again_and_none_will_do(checkout: Checkout) -> None:
    checkout.bootstrap()
    library = checkout.java / "lib" / "server" / "libjvm.so"

    library.write_text("another")
    assert "Preparing Spark" in checkout.bootstrap()

    library.unlink()
    assert "No such file" not in checkout.bootstrap()
    assert checkout.bootstrap() == ""
