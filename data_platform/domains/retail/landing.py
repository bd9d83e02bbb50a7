"""The shop's source: one CSV file per trading day, and late files for it."""

from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)

ONLINE_RETAIL = Source(
    name="online_retail",
    prefix="online_retail/",
    pattern=r"^online_retail/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv$",
    table="bronze/retail/order_lines",
    format=Csv(columns=COLUMNS),
)
