"""What is gathered is bounded, and goes with its table."""

import datetime as dt
from pathlib import Path

import pytest

from data_platform.operations.lineage import Lineage
from data_platform.operations.site import facts as module
from data_platform.operations.site.facts import Gathering, SiteFacts, TableFacts
from data_platform.operations.status import status
from data_platform.telemetry.incidents import Cause, Kind, Severity, reconcile
from data_platform_tests.support.homes import BRONZE, SILVER, Home, home_at
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.tables import TABLES


def gathered(home: Home, lineage: Lineage) -> dict[str, TableFacts]:
    platform, tables = home.platform, home.tables
    now = status(platform, tables, dt.datetime.now(dt.UTC))
    found = Gathering(platform, tables, lineage, rows=0).facts(now)
    return {str(of.table.id): of for of in found.tables}


def test_figures_are_those_of_the_tables(shop: LoadedShop, facts: SiteFacts) -> None:
    [silver] = [of for of in facts.tables if str(of.table.id) == SILVER]
    assert silver.published

    shown = {each.published.label: each.published.rows for each in silver.published.periods}
    assert shown == shop.home.counts(SILVER)
    assert silver.published.figures.rows == sum(shown.values())
    assert silver.quarantined == sum(each.quarantined for each in silver.published.periods) > 0
    assert sum(silver.rules.values()) >= silver.quarantined
    assert silver.held.count and silver.held.checks == ["rules"]


def test_of_many_partitions_the_newest_are_shown(
    shop: LoadedShop, facts: SiteFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIODS", 3)

    published = gathered(shop.home, facts.lineage)[SILVER].published

    assert published
    newest = sorted(shop.home.counts(SILVER))[-3:]
    assert [each.published.label for each in published.periods] == newest
    assert published.figures.partitions == len(shop.home.counts(SILVER))


def test_an_incident_is_with_its_table_and_one_that_was_never_built_has_no_figures(
    tmp_path: Path, facts: SiteFacts
) -> None:
    with home_at(tmp_path / "home", TABLES) as home:
        cause = Cause(
            kind=Kind.RUN,
            subject=SILVER,
            rule="runs",
            severity=Severity.ERROR,
            owner="team:a",
            title="fails",
        )
        database, now = home.platform.builds.database, dt.datetime.now(dt.UTC)
        reconcile(database, [cause], lambda _: True, now)
        found = gathered(home, facts.lineage)
        reconcile(database, [], lambda _: True, now)
        later = gathered(home, facts.lineage)

    assert [each.title for each in found[SILVER].incidents] == ["fails"]
    assert not found[BRONZE].incidents and not later[SILVER].incidents
    assert all(of.published is None and of.moment is None for of in found.values())
