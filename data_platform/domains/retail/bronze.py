"""The shop's files as received."""

from data_platform.assets import bronze
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform.domains.retail.partitions import daily

order_lines = bronze(
    source=ONLINE_RETAIL,
    partitions=daily,
    owner="team:retail",
    description="Every row of the shop's files as received: nothing trimmed, nothing dropped.",
)
