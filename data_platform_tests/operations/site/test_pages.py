"""The site as a reader has it: pages that hang together, for everybody, and nothing personal."""

import datetime as dt
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.lake.figures import PeriodFigures
from data_platform.operations.site.examples import Examples
from data_platform.operations.site.facts import Period, SiteFacts
from data_platform.operations.site.making import make_site
from data_platform.operations.site.pages import Pages, file_names
from data_platform.settings.model import CHECKOUT
from data_platform.telemetry.incidents import Incident, Kind, Severity
from data_platform_tests.support.homes import BRONZE, SILVER
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.sites import Page, broken_links, parsed

SALES_PAGE = "tables/gold.retail.daily_sales.html"
SILVER_PAGE = "tables/silver.retail.order_lines.html"
MARKUP = '<img src=x onerror="alert(1)">'
_EXTERNAL = re.compile(r"(?:https?:)?//[a-z0-9]", re.IGNORECASE)


@pytest.fixture(scope="session")
def read(files: dict[str, str]) -> dict[str, Page]:
    return parsed(files)


def hostile(facts: SiteFacts) -> SiteFacts:
    """The same site, with markup in whatever people or files may write."""
    now = facts.newest
    assert now
    incident = Incident(
        kind=Kind.OBJECT, subject=MARKUP, rule=MARKUP, severity=Severity.ERROR, owner=MARKUP,
        title=MARKUP, partitions=MARKUP, reasons={MARKUP: 1}, look=MARKUP, mend=MARKUP, number=1,
        opened=now, seen=now, acknowledged=now,
        acknowledged_by=MARKUP, acknowledged_for=MARKUP,
    )  # fmt: skip

    def tables() -> Iterator:
        for of in facts.tables:
            assert of.published
            published = replace(of.published, examples=Examples([MARKUP], [[MARKUP]], [MARKUP]))
            table = replace(of.table, description=MARKUP, owner=f"team:{MARKUP}")
            held = replace(of.held, count=1, ranges=MARKUP, checks=[MARKUP])
            status = replace(of.status, trouble=MARKUP)
            yield replace(
                of, table=table, published=published, held=held, status=status,
                rules={MARKUP: 1}, incidents=[incident],
            )  # fmt: skip

    objects = [replace(entry, key=MARKUP, source=MARKUP) for entry in facts.objects]
    assert objects
    return replace(
        facts, project=MARKUP, tables=list(tables()), objects=objects, incidents=[incident],
        closed=[replace(incident, closed=now)],
    )  # fmt: skip


def test_there_is_a_page_for_each_table_domain_and_owner(files: dict[str, str]) -> None:
    assert {SALES_PAGE, SILVER_PAGE, "domains/retail.html", "owners/team-retail.html"} <= set(files)
    assert {"index.html", "health.html", "landing.html", "quarantine.html"} <= set(files)


def test_every_link_leads_to_a_page_of_the_site(files: dict[str, str]) -> None:
    assert broken_links(files) == []


def test_a_broken_link_would_be_seen() -> None:
    wrong = '<a href="b.html"></a><a href="#c"></a><a href="https://example.org"></a>'

    assert broken_links({"a.html": wrong}) == [
        "a.html: b.html",
        "a.html: #c",
        "a.html: https://example.org",
    ]


def test_no_page_asks_for_anything_elsewhere(files: dict[str, str]) -> None:
    """Nothing has an address, but the places in what is to be copied."""
    for path, text in files.items():
        plain = re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)
        if path.endswith(".js"):
            plain = re.sub(r"(?m)^\s*//.*$", "", plain)
        assert not _EXTERNAL.search(plain), path


def test_ids_are_unique(read: dict[str, Page]) -> None:
    for page in read.values():
        assert page.ids and len(set(page.ids)) == len(page.ids), page.path


def test_what_is_labelled_by_another_element_finds_it(read: dict[str, Page]) -> None:
    references = ("aria-labelledby", "aria-controls", "aria-describedby", "for")
    for page in read.values():
        named = {given[r] for _, given in page.elements for r in references if r in given}
        assert named and named <= set(page.ids), page.path


def test_pages_have_landmarks_one_title_and_headings_in_order(read: dict[str, Page]) -> None:
    for page in read.values():
        assert [len(page.having(tag)) for tag in ("main", "header", "footer", "h1")] == [1] * 4
        assert page.having("html") == [{"lang": "en", "data-root": "../" * page.path.count("/")}]
        assert all("aria-label" in given for given in page.having("nav")), page.path
        levels = [int(tag[1]) for tag in page.headings]
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_pictures_have_titles_and_what_scrolls_is_reached_by_keys(read: dict[str, Page]) -> None:
    assert read[SILVER_PAGE].having("svg")
    for page in read.values():
        for given in page.having("svg"):
            assert given["aria-labelledby"] in page.ids
        for given in page.having("div"):
            if "scroll" in given.get("class", ""):
                assert given["tabindex"] == "0" and given["aria-label"], page.path


def test_a_page_says_what_its_table_is(read: dict[str, Page]) -> None:
    text = " ".join("".join(read[SILVER_PAGE].text).split())

    assert "One row per line of an invoice" in text
    assert "personal" in text and "team:retail" in text
    assert re.search(r"run \w{8} published \d+ partitions from [\d,]+ rows: [\d,]+ published", text)
    assert "Share of rows rejected" in text and "load_catalog" in text


def test_lineage_links_to_the_tables_around(read: dict[str, Page]) -> None:
    assert "../tables/bronze.retail.order_lines.html" in read[SILVER_PAGE].links
    assert f"../{SALES_PAGE}" in read[SILVER_PAGE].links
    assert "is made from" in " ".join(read[SALES_PAGE].text)


def test_nothing_personal_is_anywhere_in_the_site(files: dict[str, str], shop: LoadedShop) -> None:
    silver = shop.home.read(SILVER)  # with what other tests have landed
    customers = {str(each) for each in silver["customer_id"].to_pylist() if each is not None}
    invoices = set(silver["invoice_no"].to_pylist())
    words = {word for text in files.values() for word in re.findall(r"(?<![\d.])\w+(?!\.\d)", text)}

    assert len(customers) > 50
    assert words & invoices  # of the example rows, so personal ones would be found
    assert not words & customers


def test_no_markup_comes_from_what_people_and_files_say(pages: Pages, facts: SiteFacts) -> None:
    made = replace(pages, facts=hostile(facts)).files()

    said = "".join(text for path, text in made.items() if path.endswith(".html"))
    assert said.count("&lt;img") > 100
    assert "<img" not in said
    assert not any(
        "onerror" in given for page in parsed(made).values() for _, given in page.elements
    )
    assert "<img" not in made["search-index.js"] and "\\u003cimg" in made["search-index.js"]
    assert broken_links(made) == []


def test_the_same_state_is_the_same_site(
    shop: LoadedShop, spark: SparkSession, tmp_path: Path
) -> None:
    now, made = dt.datetime.now(dt.UTC), []
    for name in ("one", "other"):
        later = now + dt.timedelta(minutes=len(made))
        make_site(shop.home.platform, shop.home.tables, spark, tmp_path / name, later, rows=5)
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        made.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})

    assert made[0] == made[1] and len(made[0]) > 10


def test_a_page_stays_small_however_much_its_table_has(pages: Pages, facts: SiteFacts) -> None:
    [of] = [each for each in facts.tables if str(each.table.id) == SILVER]
    nulls = {f"column_{number}": 0.5 for number in range(300)}
    periods = [
        Period(PeriodFigures(f"p{number}", (f"p{number}",), number, 1, nulls), number, number)
        for number in range(200)
    ]
    assert of.published
    versions = [of.published.history[0]] * 20
    published = replace(of.published, periods=periods, history=versions)
    [incident, *_] = hostile(facts).incidents
    table = replace(of, published=published, incidents=[incident] * 1000)
    large = replace(facts, tables=[table], incidents=[incident] * 1000)

    made = replace(pages, facts=large).files()

    assert len(made[SILVER_PAGE]) < 300_000
    assert "900 more incidents" in made[SILVER_PAGE] and "900 more incidents" in made["health.html"]
    assert len(made["health.html"]) < 300_000


def test_files_of_owners_differ_also_where_case_does_not_count() -> None:
    found = file_names(["team:a b", "team:a-b", "A@example.org", "a@example.org"])

    assert len({name.lower() for name in found.values()}) == 4
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in found.values())


def test_templates_are_part_of_the_package() -> None:
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = "data_platform.operations.site"
    folder = CHECKOUT / package.replace(".", "/")
    declared = {path for glob in settings["package-data"][package] for path in folder.glob(glob)}

    others = {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py"}
    assert declared == {path for path in others if "__pycache__" not in path.parts} != set()


def test_bronze_says_why_it_has_no_rows(read: dict[str, Page]) -> None:
    page = read[f"tables/{BRONZE.replace('/', '.')}.html"]

    assert "no contract says which of their columns are personal" in " ".join(page.text)
