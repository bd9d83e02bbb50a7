from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from data_platform.demo.dirt import BREAKS
from data_platform.demo.generator import Counts, Manifest, generate, land
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform_tests.support.retail import oracle


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    target = tmp_path_factory.mktemp("landing")
    return target, generate(target, seed=7)


def _files(target: Path) -> dict[str, bytes]:
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


def _counts(target: Path, manifest: Manifest) -> dict[date, Counts]:
    days = defaultdict(list)
    for row in oracle.read(target):
        if row.object not in manifest.failed:
            days[row.day].append(row)
    judged = {day: oracle.silver(rows) for day, rows in days.items()}
    return {
        day: Counts(s.received, len(s.published), len(s.quarantined), len(s.duplicates))
        for day, s in judged.items()
    }


def test_the_same_seed_writes_the_same_bytes(landed: tuple[Path, Manifest], tmp_path: Path) -> None:
    target, manifest = landed

    assert generate(tmp_path, seed=7) == manifest
    assert _files(tmp_path) == _files(target)


def test_another_seed_writes_other_files(landed: tuple[Path, Manifest], tmp_path: Path) -> None:
    _, manifest = landed

    assert generate(tmp_path, seed=8).days != manifest.days


def test_the_manifest_counts_what_the_rules_make_of_the_files(
    landed: tuple[Path, Manifest],
) -> None:
    target, manifest = landed

    assert _counts(target, manifest) == manifest.days
    assert len(_files(target)) == manifest.files
    assert 20_000 <= manifest.rows <= 30_000


def test_the_reupload_changes_its_day_alone(tmp_path: Path) -> None:
    manifest = generate(tmp_path, seed=2)
    land(tmp_path, manifest.reupload)

    after = manifest.after_reupload()
    assert _counts(tmp_path, after) == after.days
    assert {day for day in after.days if after.days[day] != manifest.days[day]} == {
        manifest.reupload.day
    }


def test_exactly_one_day_is_too_dirty_to_publish(landed: tuple[Path, Manifest]) -> None:
    _, manifest = landed

    assert len(manifest.held_back) == 1
    assert manifest.published < manifest.rows - manifest.quarantined - manifest.duplicates


def test_each_kind_of_object_is_there(landed: tuple[Path, Manifest]) -> None:
    target, manifest = landed
    files = _files(target)

    assert "online_retail/2011-03-04-late.csv" in files
    assert {key for key in files if ONLINE_RETAIL.partition_of(key) is None} == set(
        manifest.unknown
    )
    latin1, truncated = manifest.failed
    assert not latin1.isascii() or b"\xc9" in files[latin1]
    assert not files[truncated].endswith(b"\n")
    assert any(content.startswith(b"\xef\xbb\xbf") for content in files.values())
    assert any(b"\r\n" in content for content in files.values())
    assert len(manifest.days) < 61  # days without a file


def test_each_kind_of_dirt_is_there(landed: tuple[Path, Manifest]) -> None:
    target, manifest = landed
    rows = [row for row in oracle.read(target) if row.object not in manifest.failed]
    judged = oracle.silver(rows)
    fields = [row.fields for row in rows]
    codes = {line.stock_code for line in judged.published}
    prices = {float(line.unit_price) for line in judged.published}

    assert len(judged.quarantined) >= len(BREAKS)
    assert judged.duplicates
    assert {line.line_type for line in judged.published} == {"sale", "cancellation", "adjustment"}
    assert {"POST", "DOT", "M", "BANK CHARGES"} <= codes
    assert 0.0 in prices
    assert any(row[1] and row[1] != row[1].upper() and row[1][:5].isdigit() for row in fields)
    assert any(row[0] and row[0].startswith("A") for row in fields)
    assert any(row[2] is None for row in fields) and any(row[6] is None for row in fields)
    assert any(row[2] and row[2].endswith(" ") for row in fields)
    assert any(row[2] and "\n" in row[2] for row in fields)
    assert any(row[6] and row[6].endswith(".00") for row in fields)
    assert any(row.rescued for row in rows)


@pytest.mark.parametrize(
    ("start", "months"),
    [(date(2010, 11, 1), 1), (date(2011, 12, 1), 2), (date(2011, 4, 20), 1)],
)
def test_days_that_the_shop_never_had_are_refused(start: date, months: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(start)):
        generate(tmp_path, seed=1, start=start, months=months)
    assert not _files(tmp_path)
