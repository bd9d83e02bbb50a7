"""The command line, called in this process on the shop's home."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from data_platform.cli.main import main
from data_platform_tests.support.loaded_shop import LoadedShop

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run(shop: LoadedShop) -> Run:
    """`run("history", TABLE, code=1, home=...)`: the arguments, and the status to end with;
    `typed` is what a person answers."""

    def invoke(
        *arguments: object, code: int = 0, home: Path | None = None, typed: str = ""
    ) -> Result:
        env = {"DATA_PLATFORM_HOME": str(home or shop.home.settings.home)}
        env |= {} if home else shop.home.place.environment
        result = CliRunner().invoke(main, [str(a) for a in arguments], env=env, input=typed)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


def parsed(result: Result) -> Any:
    """What a command printed as JSON."""
    return json.loads(result.stdout)
