"""Domains are found: a folder is enough, in the checkout or in a package of another repository."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.platform_defs.discovery import DOMAINS, discovered, packages
from data_platform.settings.environment import named_domains
from data_platform.settings.values import SettingsError
from data_platform_tests.support.tables import TABLES

DECLARING = """
import dagster as dg

from data_platform.domains.retail.bronze import order_lines


@dg.asset(key=["gold", "acme", "stock"])
def stock() -> None: ...
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on the path, with a domain in a folder of its own."""
    folder = tmp_path / "acme_tables" / "stock"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("acme_tables")]:
        del sys.modules[name]


def test_a_folder_is_enough_and_what_is_imported_is_no_second_declaration(acme: Path) -> None:
    (acme / "reports.py").write_text(DECLARING)
    (acme / "again.py").write_text("from acme_tables.stock.reports import order_lines, stock")

    found = discovered([DOMAINS, "acme_tables"])

    assert found.tables == TABLES
    assert [asset.key.to_user_string() for asset in found.others] == ["gold/acme/stock"]


def test_each_table_comes_after_those_it_reads() -> None:
    seen: set[str] = set()
    for table in discovered([DOMAINS]).tables:
        assert {str(upstream) for upstream in table.inputs.values()} <= seen
        seen.add(str(table.id))
    assert seen


def test_a_package_is_named_by_its_entry_point_or_by_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "acme-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[data_platform.domains]\nacme = acme_tables\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert packages(["more.tables", DOMAINS]) == [DOMAINS, "acme_tables", "more.tables"]


def test_the_setting_is_a_list_of_packages() -> None:
    assert named_domains({"DATA_PLATFORM_DOMAINS": " acme.tables, more "}) == (
        "acme.tables",
        "more",
    )
    assert named_domains({}) == ()
    with pytest.raises(SettingsError, match=r"DATA_PLATFORM_DOMAINS has 'acme-tables'"):
        named_domains({"DATA_PLATFORM_DOMAINS": "acme-tables"})


def test_what_a_module_raises_is_not_hidden(acme: Path) -> None:
    (acme / "reports.py").write_text("raise ValueError('no such column')")

    with pytest.raises(ValueError, match="no such column"):
        discovered(["acme_tables"])
