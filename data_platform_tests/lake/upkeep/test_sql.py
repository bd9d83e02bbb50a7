"""Published tables in SQL: each place, what is added later, and what a query may not do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyspark.sql import types as T

from data_platform.cli.main import main
from data_platform.lake.errors import QueryError
from data_platform.lake.upkeep.sql import query, select
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, SCHEMA, TUESDAY, LakeHome, days

NAME = ".".join(SALES.identifier)


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two days are published; another version of one of them is staged."""
    home.make()
    home.write({MONDAY: [1, 2], TUESDAY: [3]})
    home.stage(days({MONDAY: [100]}), [MONDAY])
    return home


def asked(home: LakeHome, text: str) -> list[dict]:
    with query(home.lake, home.storage, text) as reader:
        return reader.read_all().to_pylist()


def command(home: LakeHome, *words: str, name: str = "sql") -> Result:
    env = {"DATA_PLATFORM_HOME": str(home.folder), "DATA_PLATFORM_ENV": "test"}
    return CliRunner(env=env | home.place.environment).invoke(main, [name, *words])


def test_a_query_sees_what_is_published(home: LakeHome) -> None:
    assert asked(home, f"SELECT sum(n) AS total, count(*) AS rows FROM {NAME}") == [
        {"total": 6, "rows": 3}
    ]


def test_rows_from_before_a_column_was_added_have_none_in_it(home: LakeHome) -> None:
    home.make(schema=T.StructType([*SCHEMA.fields, T.StructField("later", T.StringType(), True)]))

    assert asked(home, f"SELECT n, later FROM {NAME} WHERE n > 1 ORDER BY n") == [
        {"n": 2, "later": None},
        {"n": 3, "later": None},
    ]


def test_tables_are_joined_and_one_without_rows_is_empty(home: LakeHome) -> None:
    home.make(TableId.parse("silver/shop/empty"))

    found = asked(home, f"SELECT n FROM {NAME} LEFT JOIN silver_shop.empty e USING (n) ORDER BY 1")

    assert [row["n"] for row in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        "DROP VIEW silver_shop.sales",
        f"INSERT INTO {NAME} VALUES (1)",
        "SELECT 1; SELECT 2",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "SET memory_limit = '1GB'",
        "",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
    ],
)
def test_a_query_reads_the_tables_and_does_nothing_else(home: LakeHome, text: str) -> None:
    with pytest.raises(QueryError):
        asked(home, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT * FROM silver_shop.sale", "'silver_shop.sale'; did you mean silver_shop.sales?"),
        (
            f"SELECT * FROM {NAME} JOIN silver_shop.sale USING (n)",
            "did you mean silver_shop.sales?",
        ),
        ("SELECT * FROM sales", "'sales'; did you mean silver_shop.sales?"),
        ("SELECT * FROM shop_silver.sales", "did you mean silver_shop.sales?"),
        ("SELECT * FROM gold_x.y", "there is no table 'gold_x.y'; there are: silver_shop.sales"),
        (f"SELECT * FROM {NAME}, gold_x.y", "gold_x.y"),
        (
            "WITH sale AS (SELECT n FROM silver_shop.sale) SELECT n FROM sale",
            "there is no table 'silver_shop.sale'; did you mean silver_shop.sales?",
        ),
        (
            f"WITH x AS (SELECT n FROM {NAME}) SELECT n FROM x JOIN gold_x.y USING (n)",
            "there is no table 'gold_x.y'",
        ),
        (f"SELECT n FROM {NAME} JOIN ales USING (n)", "there is no table 'ales'"),
        (f"SELECT n FROM {NAME} JOIN sales USING (n)", "there is no table 'sales'; did you mean"),
        (f"SELECT * FROM {NAME} JOIN silver/shop/sales USING (n)", "is written silver_shop.sales"),
        (
            "SELECT * FROM gold/x/y JOIN silver/shop/sales USING (n)",
            "in SQL, silver/shop/sales is written silver_shop.sales",
        ),
        (f"SELECT nofn(n) FROM {NAME}", "Function with name nofn does not exist"),
        (
            "SELECT * FROM silver/shop/sales",
            "in SQL, silver/shop/sales is written silver_shop.sales",
        ),
        ("SELECT * FROM silver/shop/sale", "did you mean silver/shop/sales?; in SQL a table is "),
        (f'SELECT * FROM {NAME} WHERE day = "monday"', "write text in single quotes: 'monday'"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_how_to_write_it(
    home: LakeHome, text: str, why: str
) -> None:
    with pytest.raises(QueryError) as refused:
        asked(home, text)

    assert why in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"WITH x AS (SELECT n FROM {NAME}) SELECT nofn(n) FROM x",
        f"SELECT price FROM {NAME} WHERE 'taken from silver/shop/sales' <> ''",
        f"SELECT FROM FROM {NAME} WHERE 'taken from silver/shop/sales' <> ''",
        "SELECT * FROM one/two",
    ],
)
def test_an_error_about_something_else_has_no_advice_on_tables(home: LakeHome, text: str) -> None:
    with pytest.raises(QueryError) as refused:
        asked(home, text)

    assert "there is no table" not in str(refused.value)
    assert "is written" not in str(refused.value)


def test_an_empty_lake_has_no_table(home: LakeHome) -> None:
    home.lake.catalog.drop_table(SALES.identifier)

    with pytest.raises(QueryError, match=f"there is no table '{NAME}'; there are none"):
        asked(home, f"SELECT * FROM {NAME}")


def test_the_command_prints_for_people_and_for_scripts(home: LakeHome) -> None:
    text = f"SELECT n, day FROM {NAME} ORDER BY n"

    table = command(home, text, "--limit", "2")
    assert "the first 2 rows; --limit for more" in table.output and "│ 2 │" in table.output
    assert json.loads(command(home, text, "--json").output)[2] == {"n": 3, "day": TUESDAY}
    lines = command(home, text, "--csv", "--limit", "2").output.splitlines()
    assert lines == ['"n","day"', f"1,{MONDAY}", f"2,{MONDAY}"]


def test_a_wrong_query_is_one_clear_line_and_ends_with_2(home: LakeHome) -> None:
    result = command(home, "SELCT 1")

    assert (result.exit_code, "syntax error" in result.output) == (2, True)
    assert command(home, "SELECT 1", "--csv", "--json").exit_code == 2


def test_duckdb_leaves_nothing_on_standard_error_when_the_process_ends(tmp_path: Path) -> None:
    home = LakeHome(tmp_path)
    home.make()
    asked = ["sql", f"SELECT n FROM {NAME}"]
    code = f"""if True:
        from data_platform.cli.main import main
        main({asked!r}, standalone_mode=False)
        main(["tables"], standalone_mode=False)"""

    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DATA_PLATFORM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def chosen(home: LakeHome, **options) -> list[dict]:
    with select(home.lake.load(SALES), home.storage, **options) as reader:
        return reader.read_all().to_pylist()


def test_rows_of_one_table_are_chosen_by_an_expression_partition_and_snapshot(
    home: LakeHome,
) -> None:
    first = home.snapshots()[0]
    home.write({MONDAY: [7, 8]})

    assert sorted(row["n"] for row in chosen(home, where="n > 2 AND n <> 8")) == [3, 7]
    assert chosen(home, columns=["n"], where="n >= 3", partition=TUESDAY) == [{"n": 3}]
    then = chosen(home, columns=["n"], where=f"day = '{MONDAY}'", snapshot=first)
    assert sorted(row["n"] for row in then) == [1, 2]
    assert chosen(home, where="n > 100") == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"where": "price > 2"}, "price"),
        ({"where": "n >"}, "syntax error"),
        ({"where": "n > 1); SELECT (1"}, "not an SQL expression"),
        ({"where": "n IN (SELECT n FROM read_csv('/etc/hostname'))"}, "disabled"),
        ({"where": 'n > 1 AND day = "a day"'}, "write text in single quotes: 'a day'"),
        ({"columns": ['n" FROM rows; --']}, "n"),
    ],
)
def test_an_expression_that_cannot_be_is_said(home: LakeHome, options: dict, why: str) -> None:
    with pytest.raises(QueryError, match=why):
        chosen(home, **options)


def test_show_counts_what_an_expression_holds_for_and_prints_the_columns_named(
    home: LakeHome,
) -> None:
    said = command(home, str(SALES), "--where", "n > 1", "--limit", "1", name="show").output
    rows = command(
        home, str(SALES), "--where", "n = 3", "--columns", "n, day", "--json", name="show"
    )
    none = command(home, str(SALES), "--where", "n > 9", name="show").output

    assert said.startswith(f"{SALES}: 1 of 2 rows where n > 1")
    assert [*map(list, map(dict.items, json.loads(rows.stdout)))] == [[("n", 3), ("day", TUESDAY)]]
    assert none == f"{SALES}: 0 rows where n > 9\n"
    wrong = command(home, str(SALES), "--columns", "price", name="show")
    assert wrong.exit_code == 2 and "price" in wrong.output
