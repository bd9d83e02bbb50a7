"""Rules that the engine of the settings would compute otherwise are refused on loading."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import JudgedTable, gold
from data_platform.contracts.columns import column
from data_platform.contracts.compile import received
from data_platform.contracts.contract import Rule
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError
from data_platform.platform_defs.assembly import definitions
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

pytestmark = pytest.mark.connect_only


def table(expression: Callable[[], Any]) -> JudgedTable:
    """A table of one rule."""

    @contract(
        table="gold/shop/totals",
        partition_by="day",
        owner="team:shop",
        version="1",
        rules=(Rule("sound", expression),),
    )
    class Totals(pa.DataFrameModel):
        """Totals."""

        day: T.DateType = column(description="the day")
        total: T.DecimalType(12, 2) = column(description="an amount")
        share: T.DoubleType = column(description="a part")
        units: T.IntegerType = column(description="how many")
        shop: T.StringType = column(description="where")

    @gold(
        contract=Totals,
        partitions=dg.DailyPartitionsDefinition("2011-03-01"),
        ins={"line": "silver/shop/lines"},
    )
    def totals(line: DataFrame) -> DataFrame:
        return line

    return totals


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (lambda: F.col("total") / F.col("units") > 1, "a quotient of decimals"),
        (lambda: F.initcap("shop") == F.col("shop"), "initcap begins a word"),
        (lambda: F.col("SHOP").isNull() | F.col("shop").rlike(r"(?i)x"), "flag"),
        (lambda: F.rlike("shop", F.col("shop")), "rlike by a pattern that is a column"),
        (lambda: F.length(F.col("share").cast("string")) < 9, "a double as text"),
        (lambda: F.get_json_object("shop", "$.a").isNotNull(), "get_json_object"),
        (lambda: F.collate("shop", "UTF8_LCASE") == "a", "collate"),
        (lambda: F.expr("units div 2 > 0"), "'div'"),
        (lambda: F.exists(F.split("shop", ","), lambda of: F.initcap(of) == of), "initcap"),
        (lambda: F.coalesce("shop", "units") == "a", "coalesce of text and numbers"),
    ],
)
def test_a_rule_that_sail_would_compute_otherwise_is_refused(
    tmp_path: Path, expression: Callable[[], Any], why: str
) -> None:
    with pytest.raises(ContractError) as refused:
        definitions([table(expression)], settings_at(tmp_path, spark=Engine("sail")))

    message = str(refused.value)
    assert message.startswith("contract gold/shop/totals: the rule sound: ")
    assert why in message and message.endswith("or set DATA_PLATFORM_SPARK to local[*]")


@pytest.mark.parametrize(
    "expression",
    [
        lambda: F.col("total") + F.col("units") > 0,
        lambda: F.col("total") / F.col("share") > 0,  # of doubles
        lambda: F.round(F.col("share"), 2) <= 1,
        lambda: F.col("shop").rlike(r"^\d+$"),
        lambda: F.coalesce(F.col("not_in_the_contract"), F.lit(0)) / F.col("units") < 1,
        lambda: received("total").isNotNull(),
        lambda: F.exists(F.split("shop", ","), lambda of: F.length(of) > 0),
        lambda: F.udf(lambda of: of > 0, "boolean")("units"),
        lambda: F.call_function("div", F.datediff("day", F.lit("2011-01-01")), F.lit(7)) >= 0,
        lambda: (
            F.size(
                F.when(F.col("units") > 0, F.split("shop", ",")).otherwise(
                    F.array().cast("array<string>")
                )
            )
            >= 0
        ),
    ],
)
def test_other_rules_are_taken(tmp_path: Path, expression: Callable[[], Any]) -> None:
    assert definitions([table(expression)], settings_at(tmp_path, spark=Engine("sail"))).assets


def _fails() -> object:
    raise RuntimeError("there is no session")


@pytest.mark.parametrize("expression", [_fails, lambda: 1])
def test_a_rule_that_cannot_be_built_on_loading_is_left_to_the_run(
    tmp_path: Path, expression: Callable[[], Any]
) -> None:
    found = definitions([table(expression)], settings_at(tmp_path, spark=Engine("sail")))
    assert found.assets


def test_nothing_is_refused_where_spark_computes(tmp_path: Path) -> None:
    of = table(lambda: F.col("total") / F.col("units") > 1)

    for engine in ("local[2]", "sc://spark.example:15002"):
        assert definitions([of], settings_at(tmp_path, spark=Engine(engine))).assets


def test_many_rules_are_read_without_a_server_or_java(tmp_path: Path) -> None:
    script = f"""
        import sys
        from pathlib import Path
        from dataclasses import replace
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
        from pyspark.sql import functions as F
        from data_platform.contracts.contract import Rule
        from data_platform.platform_defs.assembly import definitions
        from data_platform.settings.engine import Engine
        from data_platform.settings.environment import settings_at
        from data_platform_tests.platform_defs.test_engine_rules import table

        of = table(lambda: F.lit(True))
        sound = [Rule(f"r{{n}}", lambda n=n: F.col("units") + n > 0) for n in range(40)]
        bad = Rule("last", lambda: F.initcap("shop") == "A")
        settings = settings_at(Path({str(tmp_path)!r}), spark=Engine("sail"))
        definitions([replace(of, contract=replace(of.contract, rules=tuple(sound)))], settings)
        refused = replace(of, contract=replace(of.contract, rules=(*sound, bad)))
        try:
            definitions([refused], settings)
        except ValueError as error:
            print(error)
        assert SparkContext._gateway is None and SparkSession.getActiveSession() is None
        assert not any(name.startswith("pysail") for name in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)], capture_output=True, text=True, check=False
    )

    assert "the rule last: initcap" in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr
