"""A repository of one's own, made as its page says."""

import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.cli.main import main
from data_platform.platform_defs.discovery import ENTRY_POINTS, discovered, packages
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.pages import blocks

PAGE = "docs/how-to/own-repository.md"


def test_tables_of_a_repository_made_as_the_page_says_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [declared] = [tomllib.loads(block.text) for block in blocks(PAGE) if block.language == "toml"]
    ours = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    assert declared["project"]["dependencies"] == [ours["project"]["name"]]
    assert declared["build-system"] == ours["build-system"]
    [(group, named)] = declared["project"]["entry-points"].items()
    [(name, package)] = named.items()
    assert group == ENTRY_POINTS
    assert declared["tool"]["setuptools"]["packages"]["find"]["include"] == [f"{package}*"]
    text = "".join(block.text for block in blocks(PAGE) if block.language == "console")
    [new] = [line for line in text.splitlines() if "data-platform new" in line]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    ended = CliRunner().invoke(main, shlex.split(new.partition("data-platform ")[2]))

    assert ended.exit_code == 0, ended.output
    assert [*tmp_path.glob("tests/test_*.py")]
    installed = tmp_path / "acme_tables-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme-tables\nVersion: 0.1.0\n"
    )
    (installed / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}\n")
    assert package in packages([])
    found = discovered([package])
    assert [str(table.id) for table in found.tables] == ["bronze/shop/orders", "silver/shop/orders"]
    for module in [module for module in sys.modules if module.startswith(package)]:
        del sys.modules[module]
