"""What is said of errors while declarations are loaded."""

import pytest

from data_platform.contracts.errors import ContractError, DeclarationError
from data_platform.platform_defs.wrong_declarations import wrong_declarations_placed


def test_an_error_that_names_no_declaration_keeps_its_type_and_its_stack_trace() -> None:
    with pytest.raises(DeclarationError) as refused, wrong_declarations_placed():
        _, _ = [1]

    assert str(refused.value).startswith("ValueError: not enough values to unpack")
    assert isinstance(refused.value.__cause__, ValueError)


def test_an_error_of_a_contract_says_it_all() -> None:
    with pytest.raises(DeclarationError) as refused, wrong_declarations_placed():
        raise ContractError("its key is no column", table="silver/shop/lines")

    assert str(refused.value) == "contract silver/shop/lines: its key is no column"
    assert refused.value.__cause__ is None
