"""What people test their own tables with."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.storage.errors import LakeError
from data_platform.testing import platform_with
from data_platform_tests.support.homes import HEADER, key_of, shop_lines

DAY = "2011-03-04"


def test_a_landed_text_is_read_back_from_each_place_in_which_a_row_can_end(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT", "AWS_ALLOW_HTTP"):  # of another test's store
        monkeypatch.delenv(name, raising=False)
    good = shop_lines(DAY, 200)
    bad = f"500999,20600,MUG,six,{DAY} 10:00:00,1.25,12346.0,EIRE"
    before = dict(os.environ)
    with platform_with(bronze, silver, directory=tmp_path) as platform:
        platform.land(key_of(DAY), "\n".join([HEADER, *good, good[0], bad, ""]))
        assert [ran.state for ran in platform.run()] == ["done"]
        assert platform.run() == []

        assert len(platform.published(silver)) == 200
        [(text, reasons)] = platform.quarantine(silver)[["Quantity", "_reasons"]].values
        assert text == "six"
        assert set(reasons) == {"quantity.not_null", "quantity.typed"}
        assert len(platform.duplicates(silver, DAY)) == 1
        checks = platform.checks(silver).set_index(["check", "partition"])
        assert checks.loc[("conservation", DAY), "passed"]
        assert not checks.loc[("quantity__typed", ""), "passed"]

        platform.land(key_of(DAY), "\n".join([HEADER, *good[:150], ""]))
        platform.run()

        assert len(platform.published(silver, DAY)) == 150
        assert platform.quarantine(silver, DAY).empty
        assert platform.checks(silver).set_index("check").loc["quantity__typed", "passed"]
    assert dict(os.environ) == before


def test_a_run_that_fails_is_the_tests_failure_and_says_why(
    tmp_path: Path, spark: SparkSession
) -> None:
    def none(bronze):
        return None

    with platform_with(bronze, replace(silver, function=none), directory=tmp_path) as platform:
        platform.land(key_of(DAY), "\n".join([HEADER, *shop_lines(DAY), ""]))

        with pytest.raises(AssertionError, match="its function returned NoneType"):
            platform.run()
        with pytest.raises(LakeError, match="never built"):
            platform.quarantine(silver)
