"""How to read a table is told for each program, and never with a credential."""

import ast
from pathlib import Path

import pytest

from data_platform.operations.site.reading import Way, ways
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId
from data_platform_tests.support.cloud import REGION

SALES = TableId.parse("gold/shop/sales")
ON_A_SERVER = "postgresql+psycopg2://writer:hunter2@db.example:5432/catalog?password=hunter3"
IN_GLUE = {"catalog_uri": "glue", "aws_region": REGION, "warehouse_uri": "s3://acme-warehouse"}
PROGRAMS = ["Command line", "PyIceberg", "Spark", "DuckDB", "Athena"]


def told(settings: Settings) -> dict[str, Way]:
    return {way.program: way for way in ways(SALES, settings)}


@pytest.mark.parametrize("catalog", ["", ON_A_SERVER, "glue"])
def test_each_program_has_a_way_or_a_reason(tmp_path: Path, catalog: str) -> None:
    given = IN_GLUE if catalog == "glue" else {"catalog_uri": catalog} if catalog else {}
    found = told(settings_at(tmp_path, **given))

    assert list(found) == PROGRAMS
    assert all(way.text or way.note for way in found.values())
    assert "gold_shop.sales" in found["PyIceberg"].text
    ast.parse(found["PyIceberg"].text)
    ast.parse(found["DuckDB"].text)
    ast.parse(found["Spark"].text)


def test_credentials_of_the_catalog_are_left_out(tmp_path: Path) -> None:
    found = told(settings_at(tmp_path, catalog_uri=ON_A_SERVER))

    every = " ".join(f"{way.text} {way.note}" for way in found.values())
    assert "hunter" not in every and "writer" not in every
    assert "postgresql+psycopg2://USER:PASSWORD@db.example:5432/catalog" in every
    assert "jdbc:postgresql://db.example:5432/catalog" in every


def test_athena_reads_what_glue_has(tmp_path: Path) -> None:
    assert "FROM gold_shop.sales" in told(settings_at(tmp_path, **IN_GLUE))["Athena"].text
    assert not told(settings_at(tmp_path))["Athena"].text
