"""What AWS Glue shows of a table beside its Iceberg metadata, and what it accepts.

PyIceberg gives Glue the columns with their docs, the location and the metadata file at each
commit, in one call that fails where another commit was first. Partitions are Iceberg's own: those
who read Iceberg tables from Glue take them from the metadata, and Glue's list of partition keys
stays empty, as Athena leaves it.
"""

from typing import Any

from pyiceberg.catalog import Catalog

# https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html and API_TableInput.html; a longer
# text, or a line break in those of a line, is refused with the whole commit.
LONGEST_COMMENT = 255
LONGEST_OWNER = 255
LONGEST_DESCRIPTION = 2048


def fit(catalog: Catalog) -> None:
    """From now on the catalog gives Glue what it has a place for, in the length it takes."""
    for operation in ("CreateTable", "UpdateTable"):
        _client(catalog).meta.events.register(
            f"provide-client-params.glue.{operation}", _fit_parameters
        )


def locations(catalog: Catalog, namespace: str) -> dict[str, str]:
    """Where Glue says that a namespace's Iceberg tables are, by name; no look at their metadata.

    Views of Athena and tables of other formats may stand beside them.
    """
    pages = _client(catalog).get_paginator("get_tables").paginate(DatabaseName=namespace)
    return {
        table["Name"]: table.get("StorageDescriptor", {}).get("Location", "")
        for page in pages
        for table in page["TableList"]
        if table.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"
    }


def fitted(table: dict[str, Any]) -> dict[str, Any]:
    """Glue's `TableInput` with description and owner from the table's properties, and texts that
    Glue does not refuse; the metadata have them whole."""
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
