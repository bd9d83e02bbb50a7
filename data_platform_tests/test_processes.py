"""Which tests go to the same process where several share them."""

from xdist.scheduler import LoadScopeScheduling

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
