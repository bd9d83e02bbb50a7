"""What a contract says of its table, and what it refuses to say."""

import pickle
import subprocess
import sys
from typing import Annotated, Any, cast

import pandera.pyspark as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import JudgedTable
from data_platform.contracts.columns import column
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.consistency import PLATFORMS_OWN
from data_platform.contracts.contract import Contract, Retention, Rule
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError
from data_platform.contracts.schema import column_type, schema_of, spark_type
from data_platform.contracts.winner import greatest, least, total
from data_platform_tests.support.asset_alone import asset_alone
from data_platform_tests.support.tables import TABLES


class Sale(pa.DataFrameModel):
    """A sale.

    One row per line.
    """

    day: T.DateType
    line: T.IntegerType = column(source="Line", ge=1, description="from 1")
    paid: T.DecimalType(12, 3) = column(ge=0, le=1000)  # pyright: ignore
    buyer: T.StringType = column(nullable=True, sensitivity="personal", isin=["b", "a"])
    at: T.TimestampNTZType = column()


def declare(model: Any = Sale, **settings: Any) -> Contract:
    known = {"table": "silver/shop/sales", "owner": "team", "version": "1"}
    return contract(**{**known, **settings})(model)


def model(annotation: Any = T.IntegerType, field: Any = None, name: str = "v", **more: Any) -> Any:
    field = column() if field is None else field
    return type(
        "Model", (pa.DataFrameModel,), {"__annotations__": {name: annotation}, name: field, **more}
    )


def always() -> Any:
    return F.lit(True)


def test_a_contract_describes_its_table():
    sales = declare(partition_by="day", key=("day", "line"))
    assert (sales.layer, sales.domain, sales.name) == ("silver", "shop", "sales")
    assert sales.description == "A sale.\n\nOne row per line."
    assert (sales.partition_by, sales.key) == (("day",), ("day", "line"))
    assert sales.winner == ()
    assert sales.retention == Retention(days=30, snapshots=200)
    assert [(c.name, c.sensitivity, c.source) for c in sales.columns] == [
        ("day", "internal", None),
        ("line", "internal", "Line"),
        ("paid", "internal", None),
        ("buyer", "personal", None),
        ("at", "internal", None),
    ]


def test_the_spark_schema_has_types_nulls_comments_and_lineage_in_silver():
    schema = schema_of(declare())
    assert [(f.name, f.dataType.simpleString(), f.nullable) for f in schema] == [
        ("day", "date", False),
        ("line", "int", False),
        ("paid", "decimal(12,3)", False),
        ("buyer", "string", True),
        ("at", "timestamp_ntz", False),
        ("_source_object", "string", False),
        ("_row_number", "bigint", False),
        ("_ingested_at", "timestamp", True),
    ]
    assert schema["line"].metadata == {"comment": "from 1"}


def test_a_winner_has_a_direction_and_a_plain_name_says_greatest():
    declared = declare(key=("day",), winner=("line", least("paid"), greatest("_ingested_at")))
    assert [(one.column, one.greatest) for one in declared.winner] == [
        ("line", True),
        ("paid", False),
        ("_ingested_at", True),
    ]
    assert [(one.column, one.greatest) for one in total(declared.winner)] == [
        ("line", True),
        ("paid", False),
        ("_ingested_at", True),
        ("_source_object", True),
        ("_row_number", True),
    ]
    turned = declare(key=("day",), winner=("line", greatest("paid"), greatest("_ingested_at")))
    assert turned.fingerprint != declared.fingerprint


def test_gold_has_no_lineage_and_needs_no_winner_unless_it_says_so():
    gold = declare(model(), table="gold/shop/sales")
    assert (gold.lineage, gold.winner) == (False, ())
    assert schema_of(gold).names == ["v"]
    assert schema_of(declare(table="gold/shop/sales", lineage=True)).names[-1] == "_ingested_at"


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


@pytest.mark.parametrize("key", [(), ("v",)])
def test_a_unique_column_is_the_key(key: tuple[str, ...]):
    assert declare(model(field=column(unique=True)), key=key).key == ("v",)


def test_pandera_s_own_unique_is_the_key():
    class Config:
        unique = ("line", "day")

    assert declare(type("M", (Sale,), {"Config": Config})).key == ("line", "day")


def test_a_key_as_received_names_columns_of_bronze():
    assert declare(key=("Line", "Day"), key_as_received=True).key == ("Line", "Day")


def test_the_fingerprint_tells_rules_and_columns_but_not_words():
    plain = declare(model(field=column(isin=["a", "b"]), annotation=T.StringType)).fingerprint
    assert plain == "f5d0e0006375db11"  # or every partition would look stale
    reworded = model(T.StringType, column(isin=["b", "a"], description="x", sensitivity="public"))
    assert declare(reworded, owner="other", retention=Retention(days=1)).fingerprint == plain
    changed = [
        declare(model(T.StringType, column(isin=["a", "c"]))),
        declare(model(T.StringType, column(isin=["a", "b"], nullable=True))),
        declare(model(T.StringType, column(isin=["a", "b"])), version="2"),
        declare(model(T.StringType, column(isin=["a", "b"])), key=("v",)),
        declare(model(T.StringType, column(isin=["a", "b"])), quarantine_threshold=0.5),
        declare(model(T.StringType, column(isin=["a", "b"])), warn=("v.isin",)),
        declare(model(T.StringType, column(isin=["a", "b"])), rules=(Rule("r", always),)),
    ]
    assert len({plain, *(other.fingerprint for other in changed)}) == len(changed) + 1


def test_the_fingerprint_tells_what_becomes_of_rescued_rows_and_of_inexact_values():
    exact = declare(model(field=column(source="V")))
    told = [
        exact,
        declare(model(field=column(source="V", exact=False))),
        declare(model(field=column(source="V")), rescued="warning"),
    ]
    assert len({each.fingerprint for each in told}) == 3
    assert declare(model(field=column(source="V")), rescued="blocking").fingerprint == (
        exact.fingerprint
    )


def test_only_silver_tables_have_rows_that_came_from_a_file():
    gold = declare(model(), table="gold/shop/sales")
    assert (declare().rescued, gold.rescued) == ("blocking", None)
    assert [rule.name for rule in compile_rules(declare(model()))] == ["v.not_null", "rescued"]
    assert [rule.name for rule in compile_rules(gold)] == ["v.not_null"]


def test_the_fingerprint_has_what_a_rule_says():
    def ruled(expression: Any) -> str:
        return declare(rules=(Rule("r", expression),)).fingerprint

    plain = ruled(lambda: F.col("line") > 1)

    assert (
        ruled(
            lambda: (
                F.col("line") > 1  # the same in other lines
            )
        )
        == plain
    )
    assert ruled(lambda: F.col("line") > 2) != plain


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
        (dict(field=column(unknown=1)), "column v: pandera refuses .*unknown"),
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(table="sliver/shop/sales"), "layer/domain/name"),
        (dict(table="silver/sales"), "layer/domain/name"),
        (dict(owner=""), "owner is ''"),
        (dict(version=1), "version is 1"),
        (dict(quarantine_threshold=1.5), "share from 0 to 1"),
        (dict(retention=Retention(days=0)), "keeps nothing"),
        (dict(partition_by="dey"), "column dey: partition_by .* there is day"),
        (dict(partition_by="buyer"), "column buyer: a partition column takes no null"),
        (dict(key=("lime",)), "column lime: key names .* there is line"),
        (dict(key=("line", "line")), "key names a column twice"),
        (dict(winner=("latest",)), "column latest: winner names"),
        (dict(lineage=False), "column line: source='Line' needs the row as received.*lineage=True"),
        (dict(model=model(), lineage=False, winner=("v",)), "winner=v says .* without lineage"),
        (
            dict(model=model(), table="gold/shop/sales", key=("V",), key_as_received=True),
            "key_as_received=True says nothing.* layer silver",
        ),
        (dict(warn=("paid.le",)), "check paid.le: warn: .* there is .*paid.less_than_or_equal_to"),
        (dict(warn=("line.not_null",)), "check line.not_null: warn: a null cannot be published"),
        (dict(rules=(Rule("a", always), Rule("a", always))), "check a: a rule has a name of its"),
        (dict(rules=(Rule("line.not_null", always),)), "check line.not_null: a rule has a name"),
        (dict(rules=(Rule("", always),)), "a rule has a name of its own"),
        (dict(rules=(Rule("line__not_null", always),)), "check line__not_null: a rule has a name"),
        (dict(rules=(Rule("net = gross", always),)), "check net = gross: .* letters, digits and"),
        (dict(rules=(Rule("größer", always),)), "check größer: .* letters, digits and"),
        (
            dict(rules=(Rule("rescued", always),)),
            'check rescued: a silver table has this rule by itself; .*rescued="warning"',
        ),
        (dict(rescued=cast(Any, "drop")), "rescued is blocking or warning, not 'drop'"),
        (
            dict(model=model(), table="gold/shop/sales", rescued="warning"),
            "rescued='warning' is for tables of layer silver",
        ),
        (dict(rules=(Rule("volume", always),)), "check volume: .* the platform's own checks"),
        (dict(rules=(Rule("a", always, severity=cast(Any, "bad")),)), "severity is blocking, warn"),
        (dict(model=dict), "is not a pandera.pyspark.DataFrameModel"),
        (dict(model=type("Empty", (pa.DataFrameModel,), {})), "declares no column"),
        (dict(model=model(field=column(unique=True)), key=("w",)), "one key.*key: w; v, unique: v"),
        (
            dict(model=model(field=column(unique=True)), key=("v",), key_as_received=True),
            "a table has one key",
        ),
    ],
)
def test_a_contradiction_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ContractError, match=message):
        declare(**settings)


MERGED: dict[str, Any] = dict(
    table="gold/shop/clients",
    merge_on=("v",),
    latest=("v",),
)


def test_merge_on_is_the_key_and_latest_part_of_what_the_contract_means():
    merged = declare(model(), **MERGED)
    assert (merged.key, merged.merge_on, merged.latest) == (("v",), ("v",), ("v",))
    assert declare(model(), **MERGED, key=("v",)).fingerprint == merged.fingerprint
    assert merged.quarantine_threshold == 0.0
    assert schema_of(merged).names == ["v", "_source_object", "_row_number", "_ingested_at"]
    computed = declare(model(), **MERGED, arrival=False)
    assert schema_of(computed).names == ["v"]
    assert computed.fingerprint != merged.fingerprint
    assert declare(model(), **MERGED, quarantine_threshold=0.0).fingerprint == merged.fingerprint
    two = {**vars(model()), "__annotations__": {"v": T.IntegerType, "w": T.IntegerType}}
    wider = type("Two", (pa.DataFrameModel,), {**two, "w": column()})
    by_w = declare(wider, **{**MERGED, "latest": ("w",)})
    by_both = declare(wider, **{**MERGED, "latest": ("w", "v")})
    unmerged = declare(wider, **{**MERGED, "merge_on": (), "latest": (), "key": ("v",)})
    assert len({by_w.fingerprint, by_both.fingerprint, unmerged.fingerprint}) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(latest=()), "does not say which of the rows of a key is kept"),
        (dict(merge_on=(), latest=(), arrival=True), "arrival=True is for a merged table"),
        (dict(merge_on=()), "latest=.* this one is not merged; add merge_on"),
        (dict(merge_on=("w",)), "column w: merge_on names a column that is not there; there is v"),
        (dict(latest=("w",)), "column w: latest names a column that is not there; there is v"),
        (dict(merge_on=("v", "v")), "merge_on names a column twice"),
        (dict(key=("w",)), "one key.*key: w; merge_on: v"),
        (dict(table="silver/shop/clients"), "cannot account for each.* merge that in layer gold"),
        (dict(partition_by="v"), "a merged table is one partition.* leave it out"),
        (dict(quarantine_threshold=0.1), "quarantine_threshold is 0.1, but .* leave it out"),
        (dict(model=model(field=column(nullable=True))), "column v: .* merge_on takes no null"),
    ],
)
def test_what_cannot_be_merged_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ContractError, match=message) as caught:
        declare(**{"model": model(), **MERGED, **settings})
    assert caught.value.table.endswith("/shop/clients")


def test_a_rule_cannot_have_the_name_of_a_check_of_the_platform():
    every = {spec.name for table in TABLES for spec in asset_alone(table).check_specs}
    of_rules = {
        rule.name.replace(".", "__")
        for table in TABLES
        if isinstance(table, JudgedTable)
        for rule in compile_rules(table.contract)
    }

    assert every - of_rules == set(PLATFORMS_OWN)
    for name in PLATFORMS_OWN:
        with pytest.raises(ContractError, match=f"check {name}: .* call the rule otherwise"):
            declare(rules=(Rule(name, always),))


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


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ({"GLACIER": 90}, "not at once from GLACIER"),
        ({"STANDARD_IA": 30, "DEEP_ARCHIVE": 365}, "not at once from DEEP_ARCHIVE"),
        ({"STANDARD_IA": 29}, "to STANDARD_IA on day 30 at the earliest"),
        ({"STANDARD_IA": 90, "GLACIER_IR": 119}, "to GLACIER_IR after that on day 120"),
        (
            {"STANDARD_IA": 30, "INTELLIGENT_TIERING": 59},
            "INTELLIGENT_TIERING after that on day 60",
        ),
        ({"INTELLIGENT_TIERING": 5, "GLACIER_IR": 5}, "to GLACIER_IR after that on day 6"),
        ({"GLACIER_IR": -1}, "to GLACIER_IR on day 0"),
        ({"GLACIER_IR": 30, "STANDARD_IA": 90}, "never back"),
        ({"INTELLIGENT_TIERING": 30, "STANDARD_IA": 90}, "never back"),
    ],
)
def test_storage_classes_that_a_table_cannot_live_in_are_refused(
    tiers: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Retention(tiers=tiers)


@pytest.mark.parametrize(
    "tiers",
    [
        {},
        {"INTELLIGENT_TIERING": 0},
        {"GLACIER_IR": 1},
        {"INTELLIGENT_TIERING": 0, "GLACIER_IR": 1},
        {"STANDARD_IA": 30, "INTELLIGENT_TIERING": 60, "GLACIER_IR": 61},
    ],
)
def test_storage_classes_are_declared_as_s3_takes_them(tiers: dict[str, int]) -> None:
    assert Retention(tiers=tiers).tiers == tiers


def test_storage_classes_do_not_change_what_is_built() -> None:
    """Nobody rebuilds a year because its files move."""
    moved = declare(retention=Retention(tiers={"GLACIER_IR": 90}))

    assert moved.fingerprint == declare().fingerprint


def test_a_contract_is_described_without_an_engine() -> None:
    code = (
        "import sys\n"
        "from data_platform.contracts import consistency, contract, winner\n"
        "found = {'pyspark', 'pandera', 'dagster'} & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(', '.join(sorted(found)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "type_",
    [
        T.DateType(),
        T.DecimalType(12, 3),
        T.TimestampNTZType(),
        T.ArrayType(T.StringType(), containsNull=False),
        T.StructType([T.StructField("a b", T.LongType(), False, {"comment": "x"})]),
        T.MapType(T.StringType(), T.ArrayType(T.BinaryType()), valueContainsNull=False),
    ],
    ids=T.DataType.simpleString,
)
def test_a_type_as_described_is_the_type_that_was_declared(type_: T.DataType) -> None:
    described = column_type(type_)
    assert spark_type(described) == type_
    assert str(described) == type_.simpleString()
    assert pickle.loads(pickle.dumps(described)) == described == column_type(type_)
