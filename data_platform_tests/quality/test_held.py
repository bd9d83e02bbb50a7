"""What is said of a partition that is held back."""

import datetime as dt
from dataclasses import replace

import pytest

from data_platform.quality.held import Held, releasable
from data_platform.tables.identity import TableId

LINES = TableId("silver", "shop", "lines")
SINCE = dt.datetime(2011, 4, 1, 6, 30)


def _held(*failed: str, published: bool = False, partition: str = "2011-03-07") -> Held:
    return Held(LINES, partition, "rules: 5 of 9 rows quarantined", failed, published, SINCE)


def test_it_says_since_when_and_how_to_see_and_release_it() -> None:
    text = _held("rules").text

    assert text.startswith("Held back since 2011-04-01 06:30 UTC; no version of it was published")
    assert "`data-platform quarantine silver/shop/lines --partition 2011-03-07`" in text
    assert "`data-platform release silver/shop/lines --partition 2011-03-07 --reason" in text


@pytest.mark.parametrize("published", [True, False])
def test_a_last_good_version_is_named_where_there_is_one(published: bool) -> None:
    text = _held("rules", published=published).text

    assert ("its last good version stays published" in text) == published
    assert ("reads as empty" in text) != published


@pytest.mark.parametrize("failed", [("conservation",), ("rules", "conservation")])
def test_what_would_lose_rows_is_never_released_by_a_person(failed: tuple[str, ...]) -> None:
    assert not releasable(failed)
    assert "data-platform release" not in _held(*failed).text
    assert "rows would be lost" in _held(*failed).text


@pytest.mark.parametrize("failed", [("written",), ("rules", "written")])
def test_what_is_not_on_disk_as_it_was_written_is_written_again_by_the_next_run(
    failed: tuple[str, ...],
) -> None:
    assert not releasable(failed)
    text = _held(*failed).text
    assert "data-platform release" not in text and "corrected" not in text
    assert "The next run writes it again: `data-platform run`" in text


@pytest.mark.parametrize("failed", ["rules", "conservation", "written", "readable"])
def test_what_cannot_be_built_again_says_why_and_offers_nothing_else(failed: str) -> None:
    held = replace(_held(failed), expired="it reads a version that has expired; drop it")
    assert held.way_out.endswith("as things are: it reads a version that has expired; drop it")
    assert "data-platform release" not in held.text and "run`" not in held.text


def test_what_could_not_be_read_is_not_released_but_landed_again() -> None:
    assert not releasable(("readable",))
    text = _held("readable").text
    assert "data-platform release" not in text and "`data-platform landing`" in text


def test_rows_are_only_shown_where_they_are_the_reason() -> None:
    assert "quarantine" not in _held("conservation").text


def test_a_whole_table_and_a_key_of_any_text_are_commands_that_a_shell_takes() -> None:
    assert _held("rules", partition="").rows == "data-platform quarantine silver/shop/lines"
    assert _held("rules", partition="it's a|b").rows.endswith("""--partition 'it'"'"'s a|b'""")


def test_a_page_has_each_of_it_by_name() -> None:
    said = _held("rules").said

    assert said["held_back_since"] == "2011-04-01 06:30 UTC"
    assert said["held_back_for"] == "rules: 5 of 9 rows quarantined"
    assert said["rejected_rows"].startswith("data-platform quarantine silver/shop/lines")
    assert "data-platform release" in said["released_by"]
