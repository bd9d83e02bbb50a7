"""Which engine executes DataFrames: the value of `DATA_PLATFORM_SPARK`."""

import os
import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sail", "local", "cluster", "connect"]

_LOCAL = re.compile(r"local(?:\[(\*|[1-9]\d*)(?:, *\d+)?\])?")
_CLUSTER = re.compile(r"(?:spark|k8s)://\S+|yarn")
_CONNECT = re.compile(r"sc://[^/;\s]+(?:/?(?:;[^;=\s]+=[^;\s]+)*)")

ALLOWED = (
    "sail (without Java), local[*] or local[4] (Spark on this machine), spark://host:port, k8s://… "
    "or yarn (a cluster), sc://host:port (a Spark Connect server, with ;token=… if it wants one)"
)


@dataclass(frozen=True, repr=False)
class Engine:
    """An engine as a setting names it.

    `sail` is embedded, without a JVM; `local` is Spark in this process's JVM; `cluster` is Spark
    with its driver here; `connect` is a server that speaks Spark Connect.
    """

    text: str

    def __post_init__(self) -> None:
        if self.text != "sail" and not any(
            each.fullmatch(self.text) for each in (_LOCAL, _CLUSTER, _CONNECT)
        ):
            raise ValueError(f"{without_token(self.text)!r} is not an engine; allowed: {ALLOWED}")

    @property
    def kind(self) -> Kind:
        """What executes DataFrames."""
        if self.text == "sail":
            return "sail"
        if self.text.startswith("sc://"):
            return "connect"
        return "local" if _LOCAL.fullmatch(self.text) else "cluster"

    @property
    def has_jvm(self) -> bool:
        """Whether this process starts a JVM, as Spark's driver."""
        return self.kind in ("local", "cluster")

    @property
    def cores(self) -> int | None:
        """How many tasks it runs at once on this machine; None if it runs elsewhere."""
        if self.kind == "sail":
            return os.cpu_count() or 1
        if not (found := _LOCAL.fullmatch(self.text)):
            return None
        return (os.cpu_count() or 1) if found[1] == "*" else int(found[1] or 1)

    def __repr__(self) -> str:
        return f"Engine({without_token(self.text)!r})"

    def __str__(self) -> str:
        return without_token(self.text)


def without_token(text: str) -> str:
    """The setting as it may be shown."""
    return re.sub(r"(;token=)[^;]+", r"\1(not shown)", text)
