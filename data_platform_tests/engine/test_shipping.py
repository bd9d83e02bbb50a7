import importlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.engine.shipping import own_code, shipped
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.processes import importing, loading
from data_platform_tests.support.tables import TABLES

ROWS = {"2011-03-01": 30, "2011-03-02": 20}  # by day

PRINTING = """
import sys
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[1] + "/lib/site-packages")
import acme.rules, library, single, data_platform.assets
from data_platform.engine.shipping import shipped
made = shipped()
import shutil
print(shutil.copy(made, sys.argv[2]))
"""


def _zip(repository: Path, target: Path) -> Path:
    target.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PRINTING, repository, target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def _repository(folder: Path) -> Path:
    (folder / "acme/data").mkdir(parents=True)
    (folder / "acme/rules.py").write_text("LIMIT = 3\n")
    (folder / "acme/data/rates.csv").write_text("EUR,1.0\n")
    (folder / "acme/.cache").mkdir()
    (folder / "acme/.cache/large.bin").write_bytes(b"0" * 1000)
    (folder / "single.py").write_text("LIMIT = 4\n")
    (folder / "lib/site-packages").mkdir(parents=True)
    (folder / "lib/site-packages/library.py").write_text("")
    return folder


def test_the_platform_and_what_the_process_imported_are_in_it_and_no_library(
    tmp_path: Path,
) -> None:
    made = _zip(_repository(tmp_path / "repository"), tmp_path / "made")

    names = zipfile.ZipFile(made).namelist()
    assert {"acme/rules.py", "acme/data/rates.csv", "single.py"} <= set(names)
    assert "data_platform/landing/parse.py" in names  # though nothing has imported it
    assert {name.partition("/")[0] for name in names} == {"acme", "single.py", "data_platform"}
    assert not any(".cache" in name or name.endswith(".pyc") for name in names)


def test_the_same_code_is_the_same_file(tmp_path: Path) -> None:
    repository = _repository(tmp_path / "repository")

    one, same = (_zip(repository, tmp_path / name) for name in ("one", "same"))
    (repository / "single.py").write_text("LIMIT = 5\n")
    other = _zip(repository, tmp_path / "other")

    assert (one.name, one.read_bytes()) == (same.name, same.read_bytes())
    assert other.name != one.name


def test_it_is_made_once_in_a_process() -> None:
    assert shipped() == shipped()
    assert {name for name, _ in own_code()} >= {
        name for name in zipfile.ZipFile(shipped()).namelist() if not name.endswith("/")
    }


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What the test imports is not imported for others."""
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        del sys.modules[name]


@pytest.mark.usefixtures("forgotten")
def test_folders_are_listed_again_only_after_something_else_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(_repository(tmp_path))
    importlib.import_module("acme.rules")
    made = shipped()
    (tmp_path / "acme/later.py").touch()

    assert shipped() == made
    importlib.import_module("single")
    again = zipfile.ZipFile(shipped()).namelist()
    assert {"acme/later.py", "single.py"} <= {*again} - {*zipfile.ZipFile(made).namelist()}


ON_A_SERVER = """
import sys
sys.path.insert(0, sys.argv[1])
import acme.rules
import pyarrow as pa
from data_platform.engine.parallelism import PARALLELISM
from data_platform.engine.session import start_session
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at

def limits(batches):
    for batch in batches:
        import acme.rules
        import single
        yield pa.record_batch({"limit": [acme.rules.LIMIT + single.LIMIT]})

import single
spark = start_session(settings_at(sys.argv[2], spark=Engine(sys.argv[3])))
print(spark.range(1).mapInArrow(limits, "limit long").collect()[0]["limit"])
print(spark.conf.get(PARALLELISM))
"""


@pytest.mark.connect_only
def test_a_server_elsewhere_is_sent_the_code_and_asked_for_its_cores(
    server_of_java: str, tmp_path: Path
) -> None:
    arguments = [_repository(tmp_path / "repository"), tmp_path / "home", server_of_java]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_SERVER, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["7", "1"], done.stderr


@pytest.mark.connect_only
def test_tables_are_built_by_workers_of_a_server_that_have_only_what_they_were_sent(
    server_without_the_platform: str, tmp_path: Path
) -> None:
    home, modules = tmp_path / "home", ("data_platform.landing.parse", "data_platform.assets")
    home.mkdir()
    with home_at(home, TABLES) as loaded:
        for day, count in ROWS.items():
            loaded.land(key_of(day), csv(shop_lines(day, count)))

        found = json.loads(
            _said(importing.__file__, server_without_the_platform, str(home), *modules)[-1]
        )
        elsewhere = json.dumps({"spark": server_without_the_platform})
        said = _said("-m", loading.__name__, str(home), elsewhere, BRONZE, SILVER, SALES)

        assert {name: found["before"][name] for name in modules} == dict.fromkeys(modules)
        assert all(".zip/" in found["after"][name] for name in modules), found
        assert said == ["ready", "ready"]
        assert loaded.counts(BRONZE) == loaded.counts(SILVER) == ROWS
        assert loaded.counts(SALES) == dict.fromkeys(ROWS, 1)


def _said(*arguments: str) -> list[str]:
    """The lines that a process prints, once it has ended well."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input="load\n",
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
