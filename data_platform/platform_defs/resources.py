"""The resources of a run: the platform's state, the Spark session, the IO manager."""

import dagster as dg

from data_platform.build.platform import Platform
from data_platform.engine.session import spark_resource
from data_platform.platform_defs.io_manager import S3ParquetIOManager
from data_platform.runs.liveness import hold_until_exit
from data_platform.settings.model import Settings


def resources(settings: Settings) -> dict[str, object]:
    """All resources by key; nothing is opened or started before a step needs it."""
    platform = Platform(settings)

    @dg.resource(description="Landing bucket, ledger, lake and register of builds.")
    def state(context: dg.InitResourceContext) -> Platform:
        hold_until_exit(platform, context.instance, context.run)
        return platform

    @dg.io_manager(
        required_resource_keys={"platform", "pyspark"},
        description="Publishes tables as Parquet with Iceberg metadata.",
    )
    def io_manager(context: dg.InitResourceContext) -> S3ParquetIOManager:
        return S3ParquetIOManager(
            platform.lake,
            platform.builds,
            platform.ledger,
            platform.storage,
            lambda: context.resources.pyspark.spark_session,
        )

    return {"platform": state, "pyspark": spark_resource(settings), "io_manager": io_manager}
