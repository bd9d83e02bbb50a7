"""Contradictions within a contract, which are refused."""

from typing import Any, cast

import pandera.pyspark as pa
import pytest
from pyspark.sql import types as T

from data_platform.assets import JudgedTable
from data_platform.contracts.columns import column
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.consistency import PLATFORMS_OWN
from data_platform.contracts.contract import Retention, Rule
from data_platform.contracts.errors import ContractError
from data_platform.contracts.schema import schema_of
from data_platform_tests.support.asset_alone import asset_alone
from data_platform_tests.support.contracts import Sale, always, declare, model
from data_platform_tests.support.tables import TABLES


@pytest.mark.parametrize("key", [(), ("v",)])
def test_a_unique_column_is_the_key(key: tuple[str, ...]):
    assert declare(model(field=column(unique=True)), key=key).key == ("v",)


def test_pandera_s_own_unique_is_the_key():
    class Config:
        unique = ("line", "day")

    assert declare(type("M", (Sale,), {"Config": Config})).key == ("line", "day")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(table="sliver/shop/sales"), "layer/domain/name"),
        (dict(table="silver/sales"), "layer/domain/name"),
        (dict(owner=""), "owner is ''"),
        (dict(owner="The Shop"), r"neither a team .* did you mean 'team:the_shop'"),
        (dict(owner="team: shop"), "did you mean 'team:shop'"),
        (dict(version=1), "version is 1"),
        (dict(quarantine_threshold=1.5), "share from 0 to 1"),
        (dict(retention=Retention(days=0)), "keeps nothing"),
        (dict(partition_by="dey"), "column dey: partition_by .* there is day"),
        (dict(partition_by="buyer"), "column buyer: a partition column takes no null"),
        (
            dict(model=model(field=column(sensitivity="personal")), partition_by="v"),
            "column v: a personal column cannot partition the table",
        ),
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
