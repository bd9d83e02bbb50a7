"""The site of the loaded shop, made once."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.operations.lineage import Lineage
from data_platform.operations.site.facts import Gathering, SiteFacts
from data_platform.operations.site.making import make_site
from data_platform.operations.site.pages import Pages
from data_platform.operations.status import status
from data_platform_tests.support.loaded_shop import LoadedShop


@pytest.fixture(scope="session")
def facts(shop: LoadedShop, spark: SparkSession) -> SiteFacts:
    platform, tables = shop.home.platform, shop.home.tables
    gathering = Gathering(platform, tables, Lineage.of(platform, tables, spark), rows=5)
    return gathering.facts(status(platform, tables, dt.datetime.now(dt.UTC)))


@pytest.fixture(scope="session")
def pages(shop: LoadedShop, facts: SiteFacts) -> Pages:
    return Pages(facts, shop.home.settings)


@pytest.fixture(scope="session")
def files(pages: Pages) -> dict[str, str]:
    return pages.files()


@pytest.fixture(scope="session")
def site(shop: LoadedShop, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a directory."""
    directory = tmp_path_factory.mktemp("site") / "site"
    now = dt.datetime.now(dt.UTC)
    make_site(shop.home.platform, shop.home.tables, spark, directory, now, rows=5)
    return directory
