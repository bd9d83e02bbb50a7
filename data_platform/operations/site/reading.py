"""How a table is read from elsewhere, as text to copy; never with a credential."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import make_url

from data_platform.databases.urls import is_sqlite
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class Way:
    """A way to read a table: by which program, how, and what to know."""

    program: str
    text: str
    note: str = ""


def ways(table: TableId, settings: Settings) -> list[Way]:
    """How to read a table with PyIceberg, Spark, DuckDB, Athena and this project."""
    name = ".".join(table.identifier)
    loading = (
        "from pyiceberg.catalog import load_catalog\n\n"
        f'catalog = load_catalog(\n    "data_platform",\n{_properties(settings)})\n'
        f'table = catalog.load_table("{name}")\n'
    )
    return [
        Way("Command line", f"data-platform show {table} --limit 20"),
        Way("PyIceberg", f"{loading}table.scan(limit=100).to_pandas()"),
        _spark(name, settings),
        Way(
            "DuckDB",
            f'duck = table.scan().to_duckdb("{table.name}")\n'
            f'duck.sql("select * from {table.name} limit 100")',
            "In memory, from PyIceberg's table above.",
        ),
        _athena(name, settings),
    ]


def _properties(settings: Settings) -> str:
    properties = {**settings.catalog_properties}
    if "uri" in properties:
        properties["uri"] = _without_credentials(settings.catalog_uri)
    if not settings.warehouse_uri.startswith("s3://"):
        properties = {k: v for k, v in properties.items() if not k.startswith("s3.")}
    lines = (f'        "{name}": "{value}",\n' for name, value in properties.items() if value)
    return f"    **{{\n{''.join(lines)}    }},\n"


def _without_credentials(uri: str) -> str:
    if is_sqlite(uri):
        return uri
    plain = make_url(uri).set(username="USER", password="PASSWORD", query={})
    return plain.render_as_string(hide_password=False)


def _spark(name: str, settings: Settings) -> Way:
    text = f'spark.table("data_platform.{name}").show()'
    if is_sqlite(settings.catalog_uri):
        return Way(
            "Spark",
            "files = [task.file.file_path for task in table.scan().plan_files()]\n"
            "spark.read.parquet(*files).show()",
            "The catalog is a file, which Iceberg's runtime for Spark does not read: take the "
            "files from PyIceberg's table, as above.",
        )
    return Way("Spark", "\n".join([*_spark_settings(settings), text]), "With Iceberg's runtime.")


def _spark_settings(settings: Settings) -> Iterator[str]:
    catalog = "spark.sql.catalog.data_platform"
    yield f"# {catalog} = org.apache.iceberg.spark.SparkCatalog"
    if settings.catalog_uri == "glue":
        yield f"# {catalog}.type = glue"
    else:
        url = make_url(settings.catalog_uri)
        port = f":{url.port}" if url.port else ""
        yield f"# {catalog}.type = jdbc"
        yield f"# {catalog}.jdbc.schema-version = V1"
        yield f"# {catalog}.uri = jdbc:postgresql://{url.host}{port}/{url.database}"
    yield f"# {catalog}.warehouse = {settings.warehouse_uri}"


def _athena(name: str, settings: Settings) -> Way:
    if settings.catalog_uri == "glue":
        return Way("Athena", f"SELECT * FROM {name} LIMIT 100")
    return Way("Athena", "", "Athena reads tables of Glue; the catalog here is a database.")
