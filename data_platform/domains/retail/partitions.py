"""The partitions of the shop, which traded from December 2010 to December 2011."""

import dagster as dg

daily = dg.DailyPartitionsDefinition(start_date="2010-12-01", end_date="2012-01-01")
monthly = dg.MonthlyPartitionsDefinition(start_date="2010-12-01", end_date="2012-01-01")
