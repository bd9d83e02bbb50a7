"""How `data-platform run` ends, by what is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.cli.main import main
from data_platform.runs import in_process as drive


def test_a_table_that_is_never_up_to_date_is_named_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "shop_daily is asked for again; it is left"

    def in_circles(*_: object, circles: Callable[[str], object], **__: object) -> Iterator:
        circles(text)
        yield from ()

    monkeypatch.setattr(drive, "run_until_quiet", in_circles)
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(tmp_path / "home"))

    ended = CliRunner().invoke(main, ["run"])

    assert ended.exit_code == 3, ended.output
    assert text in ended.output
