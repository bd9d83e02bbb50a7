"""How columns are declared, and which could not be enforced."""

from typing import Annotated, Any, cast

import pandera.pyspark as pa
import pytest
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.errors import ContractError
from data_platform_tests.support.contracts import declare, model


@pytest.mark.parametrize(
    ("annotation", "type_"),
    [
        (int, "int"),
        (str, "string"),
        (bool, "boolean"),
        (T.LongType, "bigint"),
        (T.DoubleType(), "double"),
        (T.DecimalType(38, 18), "decimal(38,18)"),
        (Annotated[T.DecimalType, 10, 2], "decimal(10,2)"),
        (T.DateType, "date"),
        (T.TimestampType(), "timestamp"),
        (T.TimestampNTZType(), "timestamp_ntz"),
        (T.BinaryType, "binary"),
        (T.ArrayType(T.StringType()), "array<string>"),
    ],
)
def test_a_column_has_the_type_it_is_annotated_with(annotation: Any, type_: str):
    assert declare(model(annotation)).columns[0].type.text == type_


def test_an_alias_is_the_name_of_the_column():
    assert declare(model(field=column(alias="Value"))).columns[0].name == "Value"


def test_a_check_that_stands_twice_is_numbered():
    twice = declare(model(field=column(in_range=(1, 9), between=(2, 5))))
    names = [check.name for check in twice.columns[0].checks]
    assert names == ["v.not_null", "v.in_range", "v.in_range_2"]


@pytest.mark.parametrize("own", ["positive", "less_than", "not_null"])
def test_a_check_with_a_name_of_its_own_is_the_check_it_is(own: str):
    named = declare(model(field=column(nullable=True, ge={"min_value": 0, "name": own})))
    [check] = named.columns[0].checks
    assert (check.name, check.kind) == (f"v.{own}", "greater_than_or_equal_to")


def test_a_check_can_only_warn():
    quiet = declare(model(field=column(gt=1, lt=9, raise_warning=False)), warn=("v.less_than",))
    assert [c.severity for c in quiet.columns[0].checks] == ["blocking", "blocking", "warning"]
    assert declare(model(field=column(gt=1, raise_warning=True))).columns[0].checks[1].severity == (
        "warning"
    )


TWICE = "in_range_2"  # what the second of two checks of a kind is called


def _own_check(cls: Any, data: Any) -> bool:
    return True


def _config(**options: Any) -> Any:
    return type("Config", (), options)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (dict(field=column(unique_values_eq=[1])), "check unique_values_eq: .* Write a Rule"),
        (dict(check=pa.check("v")(_own_check)), "check _own_check: .* write a Rule"),
        (dict(check=pa.dataframe_check(_own_check)), "check _own_check: .* write a Rule"),
        (dict(Config=_config(equal_to=1)), "check equal_to: .* write a Rule"),
        (dict(field=column(unknown=1)), "column v: .* no argument 'unknown'; .* write a Rule"),
        (dict(field=column(in_rage=(1, 2))), r"'in_rage'; did you mean in_range\?"),
        (dict(field=column(in_range=(2, 1))), "column v: pandera refuses .*empty interval"),
        (dict(field=column(str_matches="[")), "column v: pandera refuses .*unterminated"),
        (dict(field=column(str_matches="a")), "check str_matches: .* int, only on string"),
        (dict(annotation=bool, field=column(isin=[True])), "check isin: .* boolean, only on"),
        (dict(annotation=str, field=column(ge="a")), "greater_than_or_equal_to: .* string, only"),
        (dict(field=column(ge={"min_value": 0, "name": "> 0"})), "check > 0: .* letters, digits"),
        (
            dict(field=column(in_range=(0, 9), between=(0, 5), gt=dict(min_value=0, name=TWICE))),
            "check v.in_range_2: another check has this name",
        ),
        (dict(field=column(ge="1")), "'1' cannot be compared with int; give an int"),
        (dict(field=column(eq=True)), "True cannot be compared with int"),
        (dict(field=column(gt=1, ignore_na=False)), "check greater_than: .*nullable=False"),
        (dict(field=column(coerce=True)), "column v: coerce=True: cast in the asset"),
        (dict(field=column(regex=True)), "column v: regex=True names several"),
        (dict(field=column(required=False)), "column v: .*nullable=True"),
        (dict(annotation=int | None), "column v: .*nullable=True"),
        (dict(annotation=bytes), "column v: .*BinaryType or ByteType"),
        (dict(annotation=T.VarcharType(3)), "pandera refuses the model: .*VarcharType"),
        (dict(annotation=Any), "column v: typing.Any is not a Spark type"),
        (dict(field=column(sensitivity=cast(Any, "secret"))), "column v: sensitivity is public"),
        (dict(field=column(alias="a b")), "column a b: a name is letters"),
        (dict(name="_v"), "column _v: names that start with an underscore"),
        (dict(__annotations__={"v": int, "V": int}, V=column()), "column v: another column"),
        (dict(Config=_config(coerce=True)), "Config.coerce: cast in the asset"),
        (dict(Config=_config(dtype=int)), "Config.dtype: "),
        (dict(Config=_config(drop_invalid_rows=True)), "Config.drop_invalid_rows: "),
    ],
)
def test_a_model_that_could_not_be_enforced_is_refused(refused: dict[str, Any], message: str):
    with pytest.raises(ContractError, match=message) as caught:
        declare(model(**refused))
    assert str(caught.value).startswith("contract silver/shop/sales")


def test_an_error_names_contract_column_and_check():
    with pytest.raises(ContractError) as caught:
        declare(model(field=column(ge="1")))
    error = caught.value
    assert (error.table, error.column, error.check) == (
        "silver/shop/sales",
        "v",
        "greater_than_or_equal_to",
    )
    assert str(error).startswith("contract silver/shop/sales, column v, check greater_than_or_eq")
