"""Which tests go to the same process where several share them."""

from types import SimpleNamespace
from typing import Any

import pytest
from xdist import newhooks
from xdist.scheduler import LoadScopeScheduling

from data_platform.settings.model import CHECKOUT
from data_platform_tests.support import loaded_shop
from data_platform_tests.support.loaded_shop import ByFileOrShop


def test_tests_of_one_shop_go_to_one_process_and_the_others_by_file() -> None:
    process_of = object.__new__(ByFileOrShop)._split_scope

    assert "_split_scope" in vars(LoadScopeScheduling)  # what decides it there
    shown = process_of("cli/test_cli.py::test_show[shop_in_directory]")
    assert shown == process_of("test_pipeline.py::test_rows[shop_in_directory-rows0]")
    assert shown == process_of("cli/test_cli.py::test_wrong[typed0-shop_in_directory]")
    assert shown != process_of("cli/test_cli.py::test_show[shop_in_versitygw]")
    assert process_of("cli/test_cli.py::test_help") == "cli/test_cli.py"
    assert process_of("lake/test_a.py::test_b[directory]") == "lake/test_a.py"


def test_make_test_shares_the_tests_by_file_or_shop(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoadScopeScheduling, "__init__", lambda *_: None)

    def scheduler(dist: str) -> object:
        config: Any = SimpleNamespace(getvalue={"dist": dist}.get)
        return loaded_shop.pytest_xdist_make_scheduler(config, None)

    assert isinstance(scheduler("loadfile"), ByFileOrShop)
    assert scheduler("load") is None
    assert pytestconfig.pluginmanager.has_plugin(loaded_shop.__name__)
    assert loaded_shop.pytest_xdist_make_scheduler.__name__ in vars(newhooks)
    assert "--dist loadfile" in (CHECKOUT / "Makefile").read_text()
