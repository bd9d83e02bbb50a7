"""What Dagster loads: every domain's tables under one platform."""

import dagster as dg

from data_platform.domains.retail import bronze as retail_bronze
from data_platform.domains.retail import gold as retail_gold
from data_platform.domains.retail import silver as retail_silver
from data_platform.platform_defs.assembly import definitions
from data_platform.settings.environment import settings_from_env

TABLES = (
    retail_bronze.order_lines,
    retail_silver.order_lines,
    retail_gold.daily_sales,
    retail_gold.product_demand,
    retail_gold.customer_segments,
)

OTHERS: tuple[dg.AssetsDefinition, ...] = ()  # ordinary assets


@dg.definitions
def defs() -> dg.Definitions:
    return definitions(TABLES, settings_from_env(), others=OTHERS)
