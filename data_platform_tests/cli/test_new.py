"""A new table works as it is written: it loads, is well formed, and its own test passes."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.cli.main import main
from data_platform.lake.errors import NotThere
from data_platform.operations.new_table import files_of
from data_platform.platform_defs.discovery import DOMAINS
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.tables import TABLES

BIN = Path(sys.executable).parent
# In one process, since loading the definitions takes its time.
LISTED = (
    "from data_platform.cli.main import main; "
    "from data_platform.definitions import declared, defs; defs().get_repository_def(); "
    "print(*[str(table.id) for table in declared().tables]); main(['doctor'])"
)


def ended(*words: object, cwd: Path, code: int = 0, **env: str) -> str:
    result = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "DATA_PLATFORM_HOME": str(cwd / "home"), **env},
        capture_output=True,
        text=True,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another repository, in which a table was begun, and a second one in the same domain."""
    repository = tmp_path_factory.mktemp("acme")
    for name in ("shop/orders", "shop/stock_levels"):
        ended(BIN / "data-platform", "new", name, "--package", "acme_tables", cwd=repository)
    return repository


def test_in_another_repository_its_tables_load_and_its_test_passes(acme: Path) -> None:
    found = ended(sys.executable, "-c", LISTED, cwd=acme, DATA_PLATFORM_DOMAINS="acme_tables")
    tests = [acme / "tests" / f"test_shop_{name}.py" for name in ("orders", "stock_levels")]

    assert {
        *("bronze/shop/orders", "silver/shop/orders"),
        *("bronze/shop/stock_levels", "silver/shop/stock_levels"),
    } <= set(found.split())
    assert f"{len(TABLES) + 4} tables loaded" in found
    assert "2 passed" in ended(sys.executable, "-m", "pytest", "-v", *tests, cwd=acme)


def test_what_is_written_is_as_our_own_checks_want_code(acme: Path) -> None:
    config = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    ruff = acme / "ruff.toml"
    lint = '[lint]\nselect = ["E", "F", "I", "UP", "B", "SIM", "RUF"]\n'
    assert lint.splitlines()[1] in config
    ruff.write_text("line-length = 100\n" + lint)

    ended(BIN / "ruff", "check", "--config", ruff, "acme_tables", "tests", cwd=acme)
    ended(BIN / "ruff", "format", "--config", ruff, "--check", "acme_tables", "tests", cwd=acme)
    ended(BIN / "pyright", "--pythonpath", sys.executable, "acme_tables", "tests", cwd=acme)


def test_in_the_checkout_it_is_sorted_as_ours_and_its_test_is_among_ours(tmp_path: Path) -> None:
    domains, tests = tmp_path / "data_platform/domains", tmp_path / "data_platform_tests/domains"
    today = dt.date(2026, 5, 1)
    files_of("shop/orders", package=DOMAINS, folder=domains, tests=tests, today=today).write()

    for command in (("check",), ("format", "--check")):
        ended(BIN / "ruff", *command, "--config", CHECKOUT / "pyproject.toml", ".", cwd=tmp_path)
    assert (tests / "shop/test_orders.py").exists()
    assert "from data_platform.domains.shop.partitions import daily" in (
        domains / "shop/orders.py"
    ).read_text("utf-8")


def test_nothing_is_overwritten(acme: Path) -> None:
    module = acme / "acme_tables/shop/orders.py"
    before = module.read_text("utf-8")
    (test := acme / "tests/test_shop_orders.py").rename(acme / "elsewhere.py")

    said = ended(
        *(BIN / "data-platform", "new", "shop/orders"),
        cwd=acme,
        code=1,
        DATA_PLATFORM_DOMAINS="acme_tables",
    )

    assert f"{module} is there already" in " ".join(said.split())
    assert module.read_text("utf-8") == before and not test.exists()
    (acme / "elsewhere.py").rename(test)


def test_a_table_that_is_declared_already_is_refused(tmp_path: Path) -> None:
    named = ("new", "retail/order_lines", "--package", "acme_tables")

    said = ended(BIN / "data-platform", *named, cwd=tmp_path, code=1)

    assert "bronze/retail/order_lines is declared already" in " ".join(said.split())
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["orders", "silver/shop/orders", "shop/Orders", "shop/class"])
def test_what_can_name_no_table_is_refused(tmp_path: Path, name: str) -> None:
    said = ended(BIN / "data-platform", "new", name, "--package", "t", cwd=tmp_path, code=2)

    assert "write domain/name in lower case letters" in " ".join(said.split())
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["f", "csv", "typed", "data_frame", "decimal", "platform_with"])
def test_a_name_that_its_own_module_uses_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotThere, match="for something else; choose another"):
        files_of(
            f"shop/{name}",
            package="acme_tables",
            folder=tmp_path / "acme_tables",
            tests=None,
            today=dt.date(2026, 5, 1),
        )


@pytest.mark.parametrize("package", ["/tmp/acme", "../acme", ".", "a b", "acme/tables"])
def test_a_package_that_cannot_be_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, ["new", "shop/orders", "--package", package])

    assert ended.exit_code == 1
    assert f"--package has {package!r}, which is not the name of a Python package" in " ".join(
        ended.output.split()
    )
    assert not [*tmp_path.iterdir()]


def test_of_a_write_that_fails_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "tests").write_text("")  # where the folder of the test has to be
    asked = files_of(
        "shop/orders",
        package="acme_tables",
        folder=tmp_path / "acme_tables",
        tests=None,
        today=dt.date(2026, 5, 1),
    )

    with pytest.raises(OSError):
        asked.write()
    assert not [*tmp_path.rglob("*.py")]
