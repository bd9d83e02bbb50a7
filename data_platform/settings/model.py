"""Where the platform runs and where its state lives.

Everything else is given a `Settings` and asks nothing. Places are URIs, not paths, so that a
bucket can take a directory's place without a change in the code that uses it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from data_platform.settings.engine import Engine

CHECKOUT = Path(__file__).resolve().parents[2]
LogFormat = Literal["text", "json"]
NO_PROXY = "none"  # as the proxy's secret: said on purpose


class Environment(StrEnum):
    """What a platform is for: `local` is a laptop, `staging` and `prod` are deployments."""

    LOCAL = "local"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment's places and sizes. Built by `environment.settings_from_env`, in tests by
    `settings_at`.

    `home` is an absolute directory for what lives on this machine: all state on a laptop.
    `landing_uri` (the raw-landing bucket: what has arrived, as it arrived) and `warehouse_uri`
    (every table's files) are `file://` or `s3://`. `catalog_uri` is a database's URL or `glue`,
    `ledger_uri` a database's URL, `dagster_database` too, or empty for SQLite in the home;
    `dagster_config` is a file with a deployment's own sections of `dagster.yaml`,
    `alerts` one that says who is told of incidents;
    `queue_url` is the SQS queue of arrivals, empty where the landing place is listed;
    `inventory_uri` is where S3 puts its inventory of the landing bucket, empty where there is none.
    No URL carries a password: one that does is refused, and libpq is given `database_password`;
    `database_secret` names the secret it came from, if it came from one.
    `spark` is what executes DataFrames, `spark_memory` the driver's heap as the JVM writes it
    (`4g`, `512m`), `spark_idle` for how many minutes a warm engine stays without a run, 0 for none,
    `spark_jars` the directory of what `make jars` fetched.
    `run_lease` is for how many seconds a run on a shared database may be silent before it counts
    as dead. For jobs of a service, `remote_package`
    (`s3://`) is what `data-platform package` made, `remote_messages` (`s3://`) where they exchange
    messages with Dagster, `remote_role` the ARN of their role, `remote_release` a release of EMR,
    each empty where it is not needed. `log_format` is how processes log. `project` begins the names
    of the buckets; `aws_region` is empty where there is no cloud, `aws_endpoint` where S3 is AWS's.
    `actor` is whom the audit trail names for commands. Where a proxy authenticates those who
    open the UI, `proxy_secret` is how it proves to be the proxy, and `operators` and `viewers` are
    the groups whose members may change and may read; at one of `unprotected_hosts` everyone may do
    everything where there is no proxy. `storage_price` is US dollars for a GB and
    month, None for the list price of the region.
    `virtual_environment` is the name of the environment of tables that these are the settings of,
    and `production` has those of the tables beside all environments; empty and None for the latter.
    """

    environment: Environment
    home: Path
    spark: Engine
    spark_memory: str
    spark_idle: float = 0
    run_lease: float = 60
    landing_uri: str
    warehouse_uri: str
    catalog_uri: str
    ledger_uri: str
    dagster_database: str = ""
    dagster_config: Path | None = None
    alerts: Path | None = None
    database_password: str = field(default="", repr=False)
    database_secret: str = ""
    queue_url: str = ""
    inventory_uri: str = ""
    spark_jars: Path = CHECKOUT / ".cache" / "jars"
    log_format: LogFormat = "text"
    project: str = "data-platform"
    aws_region: str = ""
    aws_endpoint: str = ""
    actor: str = "unknown"
    proxy_secret: str = field(default="", repr=False)
    operators: frozenset[str] = frozenset()
    viewers: frozenset[str] = frozenset()
    unprotected_hosts: frozenset[str] = frozenset()
    storage_price: float | None = None
    remote_package: str = ""
    remote_messages: str = ""
    remote_role: str = ""
    remote_release: str = ""
    virtual_environment: str = ""
    production: "Settings | None" = field(default=None, repr=False)

    @property
    def has_buckets(self) -> bool:
        """Whether buckets are in a cloud; on a laptop they are directories."""
        deployed = self.environment is not Environment.LOCAL
        return bool(self.aws_region and (deployed or self.aws_endpoint))

    @property
    def migrates(self) -> bool:
        """Whether any process may migrate the tables of its databases; else only `data-platform
        migrate` does, so that no command of a newer version ends the deployed one. A virtual
        environment's tables are of its own version."""
        deployed = self.environment in (Environment.STAGING, Environment.PROD)
        return not deployed or bool(self.virtual_environment)

    @property
    def has_proxy(self) -> bool:
        """Whether a proxy authenticates those who open the UI."""
        return self.proxy_secret not in ("", NO_PROXY)

    @property
    def dagster_home(self) -> Path:
        """The directory of Dagster's own state and configuration."""
        return self.home / "dagster"

    @property
    def catalog_properties(self) -> dict[str, str]:
        """PyIceberg's catalog properties, for `lake.catalog.Lake`."""
        place = {"warehouse": self.warehouse_uri, "s3.region": self.aws_region}
        if self.aws_endpoint:
            place["s3.endpoint"] = self.aws_endpoint
        if self.catalog_uri == "glue":
            return {"type": "glue", "glue.region": self.aws_region, **place}
        return {"type": "sql", "uri": self.catalog_uri, **place}
