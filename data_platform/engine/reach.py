"""Whether an engine on other machines can be reached, before its client tries for minutes."""

import socket
from collections.abc import Iterable

from data_platform.settings.engine import Engine
from data_platform.settings.environment import variables_of
from data_platform.settings.values import PREFIX, SettingsError

_ANSWERS_WITHIN = 10  # seconds, for each address
_CONNECT_PORT = 15002  # of a Spark Connect server whose address has none


def require_reachable(engine: Engine) -> None:
    """Raise SettingsError if the engine is on other machines, and cannot be reached."""
    if engine.text.startswith("spark://"):
        require_master(engine.text)
    elif engine.kind == "connect":
        require_connect_server(engine.text)
    elif engine.text == "yarn":
        require_yarn()


def require_master(engine: str) -> None:
    """Raise SettingsError if no master of `spark://host:port,host:port` accepts a connection.
    Spark itself tries for a minute and then fails with a NullPointerException."""
    addresses = engine.removeprefix("spark://").split(",")
    _require(engine, addresses, "no master answers there", "start the master")


def require_connect_server(engine: str) -> None:
    """Raise SettingsError if the server of `sc://host:port` accepts no connection. PySpark itself
    tries for more than ten minutes."""
    address = engine.removeprefix("sc://").partition(";")[0].rstrip("/")
    if ":" not in address.rpartition("]")[2]:
        address = f"{address}:{_CONNECT_PORT}"
    named = f"sc://{address}"  # without a token
    _require(named, [address], "no Spark Connect server answers there", "start the server")


def require_yarn() -> None:
    """Raise SettingsError if YARN's configuration is not named: Spark would not find a master."""
    found = variables_of(("HADOOP_CONF_DIR", "YARN_CONF_DIR"))
    if not (found.get("HADOOP_CONF_DIR") or found.get("YARN_CONF_DIR")):
        raise SettingsError(
            f"{PREFIX}SPARK is yarn, and neither HADOOP_CONF_DIR nor YARN_CONF_DIR is set; set one "
            "to the directory with the cluster's configuration (core-site.xml, yarn-site.xml)"
        )


def _require(engine: str, addresses: Iterable[str], finding: str, first: str) -> None:
    failed = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWERS_WITHIN).close()
            return
        except (OSError, ValueError) as why:
            failed.append(f"{address}: {why}")
    raise SettingsError(
        f"{PREFIX}SPARK is {engine}, and {finding} ({'; '.join(failed)}); {first}, correct the "
        "address, or set it to sail or local[*] to run on this machine"
    )
