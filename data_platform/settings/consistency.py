"""Settings that are valid by themselves but not together."""

from data_platform.settings import values
from data_platform.settings.engine import Service
from data_platform.settings.model import Settings
from data_platform.settings.values import PREFIX, SettingsError


def refuse_impossible(settings: Settings) -> None:
    """Raises SettingsError for values that are valid by themselves but not together."""
    landing, warehouse = settings.landing_uri, settings.warehouse_uri
    if not settings.ledger_uri:
        raise SettingsError(
            f"{PREFIX}DATABASE must be set when {PREFIX}ENV is {str(settings.environment)!r}: "
            "postgresql://user@host/database holds the ledger and Dagster's own state"
        )
    if settings.has_proxy and not (settings.operators or settings.viewers):
        raise SettingsError(
            f"{PREFIX}PROXY_SECRET is set, and neither {PREFIX}OPERATORS nor {PREFIX}VIEWERS: "
            "nobody could use the UI; set them to groups of the people who may"
        )
    if service := settings.spark.service:
        _refuse_for_jobs(settings, *service)
    on_s3 = [name for name, uri in (("LANDING", landing), ("WAREHOUSE", warehouse)) if _is_s3(uri)]
    glue = settings.catalog_uri == "glue"
    deployed = settings.environment in ("staging", "prod")
    if (on_s3 or glue or settings.queue_url) and not settings.aws_region:
        cause = on_s3[0] if on_s3 else "CATALOG" if glue else "QUEUE"
        raise SettingsError(f"{PREFIX}AWS_REGION must be set: {PREFIX}{cause} is on AWS or S3")
    if glue and not _is_s3(warehouse):
        raise SettingsError(
            f"{PREFIX}CATALOG is 'glue' and {PREFIX}WAREHOUSE is {warehouse!r}: readers of "
            "Glue tables read from S3; set the first to a database URL or the second to s3://bucket"
        )
    configured = {"QUEUE": settings.queue_url, "INVENTORY": settings.inventory_uri}
    if (name := next(filter(configured.get, configured), None)) and not _is_s3(landing):
        raise SettingsError(
            f"{PREFIX}{name} is set and {PREFIX}LANDING is {landing!r}: only a bucket reports its "
            "arrivals; unset the first or set the second to s3://bucket"
        )
    for name, uri in (("CATALOG", settings.catalog_uri), ("LEDGER", settings.ledger_uri)):
        if deployed and _is_s3(warehouse) and values.is_file(uri):
            raise SettingsError(
                f"{PREFIX}{name} is {uri!r} and {PREFIX}WAREHOUSE {warehouse!r}: a file on one "
                f"machine cannot describe a bucket that others share; set {PREFIX}DATABASE to "
                "postgresql://user@host/database"
            )
    for name, uri in (("LANDING", landing), ("WAREHOUSE", warehouse)):
        other = values.environment_of_bucket(uri, settings.project, type(settings.environment))
        if other and other != settings.environment:
            raise SettingsError(
                f"{PREFIX}{name} is {uri!r}, a bucket of {str(other)!r}, and {PREFIX}ENV is "
                f"{str(settings.environment)!r}; set one of them to the other's environment"
            )


def _refuse_for_jobs(settings: Settings, service: Service, target: str) -> None:
    """Remote jobs need a package, a role, and state that they can reach."""
    spark = f"{PREFIX}SPARK is {service}:{target}"
    needed = {"REMOTE_PACKAGE": settings.remote_package}
    if service != "glue":
        needed["REMOTE_ROLE"] = settings.remote_role
    if service == "emr-containers":
        needed["REMOTE_RELEASE"] = settings.remote_release
    if missing := [PREFIX + name for name, value in needed.items() if not value]:
        raise SettingsError(f"{spark}, and {' and '.join(missing)} must be set, too")
    shared = {
        "LANDING": _is_s3(settings.landing_uri),
        "WAREHOUSE": _is_s3(settings.warehouse_uri),
        "CATALOG": not values.is_file(settings.catalog_uri),
        "LEDGER": not values.is_file(settings.ledger_uri),
    }
    if alone := [PREFIX + name for name, held in shared.items() if not held]:
        raise SettingsError(
            f"{spark}, whose jobs cannot reach this machine's files: set {', '.join(alone)} to "
            "s3://bucket, or to the URL of a database on a server"
        )
    if settings.database_password and not settings.database_secret:
        raise SettingsError(
            f"{spark}, whose jobs are given no secret: store the password in AWS Secrets Manager "
            f"and set {PREFIX}DATABASE_PASSWORD to secretsmanager:NAME#KEY"
        )


def _is_s3(uri: str) -> bool:
    return uri.startswith("s3://")
