"""What `pandera_internals` relies on is in the installed pandera."""

from pandera.api.checks import Check
from pandera.api.function_dispatch import Dispatcher

from data_platform.contracts.pandera_internals import arguments, built_in
from data_platform_tests.support.upstream import is_pinned, parameters


def test_the_version_is_the_one_that_is_pinned() -> None:
    assert is_pinned("pandera")


def test_a_check_keeps_its_function_and_its_arguments() -> None:
    check = Check.in_range(1, 3, include_max=False)

    assert isinstance(check._check_fn, Dispatcher)
    assert parameters(Check).startswith("check_fn, groups=, groupby=, ignore_na=")
    assert parameters(Check).endswith("check_kwargs")


def test_a_built_in_check_is_told_by_panderas_name_whatever_its_author_calls_it() -> None:
    check = Check.ge(0, name="positive")

    assert (built_in(check), check.name) == ("greater_than_or_equal_to", "positive")
    assert arguments(check) == {"min_value": 0}


def test_a_function_of_ones_own_is_none_of_panderas() -> None:
    assert built_in(Check(lambda column: column > 0)) is None
