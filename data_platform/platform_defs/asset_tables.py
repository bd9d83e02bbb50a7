"""Map the result of an asset or op to the name of its table.

    asset key              table
    [layer, domain, name]  layer/domain/name; layer is bronze, silver or gold
    [domain, name]         assets/domain/name
    [name]                 assets/default/name

No two keys share a table. An op's result has no key: its output names the table, as in
`dg.Out(metadata={"table": "gold/shop/stock"})`.
"""

import dagster as dg

from data_platform.storage.errors import LakeError
from data_platform.tables.identity import ORDINARY, TableId

TABLE = "table"  # the metadata of an op's output that names its table
_DEFAULT = "default"  # the domain for a key with one part
_DECLARED = ("bronze", "silver", "gold")


def table_of(key: dg.AssetKey) -> TableId:
    """The table of an asset. Raises LakeError if its key cannot be mapped."""
    try:
        return _table(list(key.path))
    except ValueError as error:
        raise LakeError(f"asset {key.to_user_string()}: {error}") from error


def is_table(key: dg.AssetKey) -> bool:
    """Whether the asset's key can be mapped to a table."""
    try:
        _table(list(key.path))
    except ValueError:
        return False
    return True


def _table(path: list[str]) -> TableId:
    match path:
        case [name]:
            return TableId.parse(f"{ORDINARY}/{_DEFAULT}/{name}")
        case [domain, _] if domain == _DEFAULT:
            raise ValueError(f"the domain {_DEFAULT!r} is that of keys of one part; leave it out")
        case [domain, name]:
            return TableId.parse(f"{ORDINARY}/{domain}/{name}")
        case [layer, _, _] if layer not in _DECLARED:
            raise ValueError(
                f"{layer!r} is not a layer of assets; the layers are {', '.join(_DECLARED)}, and "
                "an asset of none of them has a key of one or two parts"
            )
    return TableId.parse("/".join(path))


def table_written(context: dg.OutputContext) -> TableId:
    """The table of an asset's or an op's output. Raises LakeError if it has none."""
    if context.has_asset_key:
        return table_of(context.asset_key)
    name = (context.definition_metadata or {}).get(TABLE)
    where = f"output {context.name!r} of op {context.op_def.name!r}"
    if not name:
        raise LakeError(
            f"{where} belongs to no asset, so it has "
            'no table; name one, as in dg.Out(metadata={"table": "gold/shop/stock"}), or give the '
            'output another IO manager, as in dg.Out(io_manager_key="fs_io_manager")'
        )
    try:
        return TableId.parse(str(name))
    except ValueError as error:
        raise LakeError(f"{where}: {error}") from error


def table_read(context: dg.InputContext) -> TableId:
    """The table of an input: an asset's, or the one that another op's output went to."""
    if context.has_asset_key:
        return table_of(context.asset_key)
    assert context.upstream_output is not None  # an input that is not an asset comes from an output
    return table_written(context.upstream_output)
