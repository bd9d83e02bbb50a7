"""The site in a browser, from files: its scripts work, within the policy of its pages."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.servers import not_there

pytestmark = pytest.mark.integration
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or not_there("there is no Chromium; install it (apt-get install chromium)")


def shown(browser: str, address: str, profile: Path) -> str:
    """The page after its scripts have run."""
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    command = [browser, *quiet, f"--user-data-dir={profile}", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_search_finds_tables_by_their_columns(
    browser: str, shop: LoadedShop, site: Path, tmp_path: Path
) -> None:
    page = shown(browser, f"{(site / 'index.html').as_uri()}?q=customer%20segments", tmp_path)

    found = re.search(r'<div id="found">(.*?)</div>', page, re.DOTALL)
    assert found and 'href="tables/gold.retail.customer_segments.html"' in found[1]
    assert "daily_sales" not in found[1]


def test_links_that_are_found_on_a_page_below_lead_back_to_the_root(
    browser: str, shop: LoadedShop, site: Path, tmp_path: Path
) -> None:
    below = site / "tables" / "gold.retail.daily_sales.html"
    page = shown(browser, f"{below.as_uri()}?q=unit_price", tmp_path)

    assert 'href="../tables/silver.retail.order_lines.html"' in page
    assert re.search(r'<time datetime="[^"]+" title="[^"]+"', page)  # how long ago
