"""AWS Glue's description of a table, beside its Iceberg metadata, and Glue's limits.

At each commit PyIceberg gives Glue the columns with their docs, the location and the metadata
file, in one call that fails if another commit was first. Partitions are Iceberg's own: readers
take them from the metadata, and Glue's list of partition keys stays empty, as with Athena.
"""

from typing import Any

from pyiceberg.catalog import Catalog

# https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html and API_TableInput.html; a longer
# text, or a line break in those of a line, is refused with the whole commit.
LONGEST_COMMENT = 255
LONGEST_OWNER = 255
LONGEST_DESCRIPTION = 2048


def fit(catalog: Catalog) -> None:
    """Make the catalog send Glue description and owner, and texts within Glue's limits."""
    for operation in ("CreateTable", "UpdateTable"):
        _client(catalog).meta.events.register(
            f"provide-client-params.glue.{operation}", _fit_parameters
        )


def locations(catalog: Catalog, namespace: str) -> dict[str, str]:
    """The locations of a namespace's Iceberg tables by name, without reading their metadata.

    Athena's views and tables of other formats, which may be there too, are left out.
    """
    pages = _client(catalog).get_paginator("get_tables").paginate(DatabaseName=namespace)
    return {
        table["Name"]: table.get("StorageDescriptor", {}).get("Location", "")
        for page in pages
        for table in page["TableList"]
        if table.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"
    }


def fitted(table: dict[str, Any]) -> dict[str, Any]:
    """Glue's `TableInput` with description and owner from the table's properties, and with texts
    cut to what Glue accepts; the Iceberg metadata has them whole."""
    properties = table.get("Parameters", {})
    storage = table.get("StorageDescriptor", {})
    columns = [
        {**column, "Comment": _line(column["Comment"], LONGEST_COMMENT)}
        if "Comment" in column
        else column
        for column in storage.get("Columns", ())
    ]
    found = {**table, "StorageDescriptor": {**storage, "Columns": columns}}
    if comment := properties.get("comment"):
        found["Description"] = _line(comment, LONGEST_DESCRIPTION)
    if owner := properties.get("owner"):
        found["Owner"] = _line(owner, LONGEST_OWNER)
    return found


def _client(catalog: Catalog) -> Any:
    return catalog.glue  # type: ignore[attr-defined]


def _fit_parameters(params: dict[str, Any], **_: Any) -> None:
    params["TableInput"] = fitted(params["TableInput"])


def _line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
