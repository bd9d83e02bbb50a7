"""The UI's page of a declared table, made from its declaration."""

import dagster as dg

from data_platform.assets import Table
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Contract
from data_platform.contracts.winner import greatest, sentence
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.tables.outcomes import DUPLICATES, QUARANTINE


def definition_metadata(table: Table) -> dict[str, object]:
    """What the page of its definition says beside columns, owners and the description."""
    found: dict[str, object] = {
        "dagster/table_name": ".".join(table.id.identifier),
        "dagster/partition_expr": ", ".join(table.partition_by),
        "retention": f"{table.retention.days} days, {table.retention.snapshots} snapshots",
    }
    if table.contract:
        found |= {
            "dagster/column_schema": column_schema(table.contract),
            "contract_version": table.contract.version,
            "quarantine_threshold": table.contract.quarantine_threshold,
            "rejected_rows": f"`data-platform quarantine {table.id}`, kept in "
            f"{table.id.sibling(REJECTED_LAYERS[QUARANTINE])}",
        }
        if table.contract.lineage:
            found["repeated_rows"] = (
                f"`data-platform show {table.id.sibling(REJECTED_LAYERS[DUPLICATES])}`, kept there"
            )
        if table.contract.merge_on:
            found["merge_on"] = ", ".join(table.contract.merge_on)
        if kept := winning(table.contract):
            found["winner"] = kept
    return found


def winning(contract: Contract) -> str:
    """Which of several valid rows with one key is published, for the UI; "" where none may be."""
    if contract.merge_on:
        last = "the last arrived" if contract.arrival else "the greatest in the other columns"
        order = sentence(tuple(map(greatest, contract.latest)), last)
        return f"of all rows with one {', '.join(contract.merge_on)}: {order}"
    if contract.key and contract.lineage:
        order = sentence(contract.winner, "the last arrived")
        return f"of rows with one {', '.join(contract.key)}: {order}"
    return ""


def column_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns for the UI, with descriptions, rules and sensitivity."""
    rules = {
        column.name: [
            rule.check
            for rule in compile_rules(contract)
            # a column that must not be null is marked so already
            if rule.column == column.name and (column.nullable or rule.check != "not_null")
        ]
        for column in contract.columns
    }
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type.text,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, other=rules[column.name]
                ),
                tags={"sensitivity": column.sensitivity},
            )
            for column in contract.columns
        ]
    )
