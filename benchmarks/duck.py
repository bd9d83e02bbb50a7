"""Another baseline: the same tables from the same files in DuckDB, one SQL statement for each.

No contract, no quarantine, no ledger, no commit. Each layer is written as partitioned Parquet at
the platform's level of compression, and read back by the next, as in `plain`.
"""

from pathlib import Path

import duckdb

_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
_KEY = "InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country"

_BRONZE = """
SELECT *, regexp_extract(filename, '(\\d{{4}}-\\d{{2}}-\\d{{2}})[^/]*\\.csv$', 1)::date AS day
FROM read_csv('{landing}/*.csv', header = true, all_varchar = true, filename = true)
"""

_SILVER = """
WITH typed AS (
    SELECT day, trim(InvoiceNo, ' ') AS invoice_no, upper(trim(StockCode, ' ')) AS stock_code,
        nullif(trim(Description, ' '), '') AS description, Quantity::int AS quantity,
        InvoiceDate::timestamp AS invoiced_at, UnitPrice::decimal(12, 3) AS unit_price,
        split_part(CustomerID, '.', 1)::int AS customer_id, trim(Country, ' ') AS country, filename
    FROM {bronze}
    WHERE regexp_full_match(trim(InvoiceNo, ' '), 'C?[0-9]{{6}}')
        AND Quantity::int <> 0 AND UnitPrice::decimal(12, 3) >= 0
    QUALIFY row_number() OVER (PARTITION BY day, {key} ORDER BY filename) = 1
)
SELECT *,
    CASE WHEN starts_with(invoice_no, 'C') THEN 'cancellation'
        WHEN quantity > 0 THEN 'sale' ELSE 'adjustment' END AS line_type,
    regexp_matches(stock_code, '^[0-9]{{5}}') AS is_product
FROM typed
"""

_DAILY_SALES = """
WITH lines AS (
    SELECT *, quantity * unit_price AS amount, is_product AND line_type = 'sale' AS sold,
        is_product AND line_type = 'cancellation' AS cancels
    FROM {silver}
)
SELECT day, country,
    count(DISTINCT invoice_no) FILTER (sold) AS orders,
    count(DISTINCT customer_id) FILTER (sold) AS customers,
    coalesce(sum(quantity) FILTER (sold), 0)::bigint AS units,
    coalesce(sum(amount) FILTER (sold), 0)::decimal(18, 3) AS gross_sales,
    coalesce(sum(amount) FILTER (cancels), 0)::decimal(18, 3) AS cancelled,
    coalesce(sum(amount) FILTER (sold OR cancels), 0)::decimal(18, 3) AS net_sales,
    coalesce(sum(amount) FILTER (NOT is_product), 0)::decimal(18, 3) AS charges
FROM lines GROUP BY day, country
"""

_DEMAND = """
WITH calendar AS (
    SELECT day, row_number() OVER (ORDER BY day) AS number,
        least(28, count(*) OVER (
            ORDER BY day RANGE BETWEEN INTERVAL 90 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
        )) AS trading_days
    FROM (SELECT DISTINCT day FROM {silver})
), sold AS (
    SELECT stock_code, day, sum(quantity)::bigint AS units
    FROM {silver} WHERE is_product AND line_type = 'sale' GROUP BY stock_code, day
), sums AS (
    SELECT stock_code, day, units, trading_days,
        coalesce(sum(units) OVER before, 0)::decimal(38, 0) AS total,
        coalesce(sum(units * units) OVER before, 0)::decimal(38, 0) AS squares
    FROM sold JOIN calendar USING (day)
    WINDOW before AS (
        PARTITION BY stock_code ORDER BY number
        RANGE BETWEEN trading_days PRECEDING AND 1 PRECEDING
    )
), figures AS (
    SELECT day, stock_code, units, trading_days,
        CASE WHEN trading_days > 0 THEN total::double / trading_days END AS mean_units,
        CASE WHEN trading_days > 1 THEN sqrt((trading_days * squares - total * total)::double
            / (trading_days * (trading_days - 1))) END AS sd_units
    FROM sums
)
SELECT *, coalesce(trading_days >= 7 AND units >= 50 AND units > mean_units + 3 * sd_units, false)
    AS spike
FROM figures
"""

_SEGMENTS = """
WITH months AS (SELECT DISTINCT date_trunc('month', day)::date AS month FROM {silver}),
bought AS (
    SELECT customer_id, invoice_no, day, quantity * unit_price AS amount
    FROM {silver} WHERE is_product AND line_type = 'sale' AND customer_id IS NOT NULL
), figures AS (
    SELECT month, customer_id, last_day(month) - max(day) AS recency_days,
        count(DISTINCT invoice_no) AS frequency, sum(amount)::decimal(18, 3) AS monetary
    FROM months JOIN bought
        ON day <= last_day(month) AND day >= month - INTERVAL 11 MONTHS
    GROUP BY month, customer_id
), scores AS (
    SELECT *,
        ntile(5) OVER (PARTITION BY month ORDER BY recency_days DESC, customer_id) AS r,
        ntile(5) OVER (PARTITION BY month ORDER BY frequency, customer_id) AS f,
        ntile(5) OVER (PARTITION BY month ORDER BY monetary, customer_id) AS m
    FROM figures
)
SELECT *, CASE WHEN r >= 4 AND f >= 4 THEN 'champion' WHEN f >= 4 THEN 'loyal'
    WHEN r >= 4 AND f <= 2 THEN 'new' WHEN r <= 2 AND f >= 3 THEN 'at_risk'
    WHEN r <= 2 AND f <= 2 THEN 'lost' ELSE 'regular' END AS segment
FROM scores
"""

_GOLD = {
    "daily_sales": ("day", _DAILY_SALES),
    "product_demand": ("day", _DEMAND),
    "customer_segments": ("month", _SEGMENTS),
}


def pipeline(landing: Path, target: Path, *, threads: int) -> dict[str, int]:
    """Landed files to gold; returns the rows of each table."""
    with duckdb.connect(config={"threads": threads}) as database:

        def written(name: str, by: str, query: str) -> str:
            path = target / name
            database.execute(f"COPY ({query}) TO '{path}' ({_PARQUET}, PARTITION_BY ({by}))")
            return f"read_parquet('{path}/**/*.parquet', hive_partitioning = true)"

        bronze = written("bronze", "day", _BRONZE.format(landing=landing))
        silver = written("silver", "day", _SILVER.format(bronze=bronze, key=_KEY))
        tables = {"bronze": bronze, "silver": silver}
        for name, (by, query) in _GOLD.items():
            tables[name] = written(name, by, query.format(silver=silver))
        return {
            name: database.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for name, table in tables.items()
        }
