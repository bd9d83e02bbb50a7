"""Dagster's `dg` on the checkout, as `[tool.dg]` in pyproject.toml has it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.tables import TABLES

# A person's own configuration, with which their telemetry is on or off, is none of a test's.
CONFIG = "[cli.telemetry]\nenabled = false\n"


def test_dg_loads_the_definitions_and_lists_every_table(tmp_path: Path) -> None:
    config = tmp_path / "dg.toml"
    config.write_text(CONFIG)

    def dg(*arguments: str) -> str:
        ended = subprocess.run(
            [Path(sys.executable).with_name("dg"), *arguments],
            cwd=CHECKOUT,
            env={
                **{k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"},
                "DATA_PLATFORM_HOME": str(tmp_path / "home"),
                "DG_CLI_CONFIG": str(config),
                "VIRTUAL_ENV": sys.prefix,
            },
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    assert "All definitions loaded successfully" in dg("check", "defs")
    listed = json.loads(dg("list", "defs", "--json"))
    assert {str(table.id) for table in TABLES} <= {each["asset_key"] for each in listed["assets"]}
    assert not (tmp_path / "home").exists()
