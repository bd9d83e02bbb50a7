"""What executes DataFrames: the value of `DATA_PLATFORM_SPARK`."""

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Kind = Literal["sail", "local", "cluster", "connect", "service"]
Service = Literal["emr-serverless", "emr-containers", "glue"]

_LOCAL = re.compile(r"local(?:\[(\*|[1-9]\d*)(?:, *\d+)?\])?")
_CLUSTER = re.compile(r"(?:spark|k8s)://\S+|yarn")
_SERVICE = re.compile(r"(emr-serverless|emr-containers):([0-9a-z]+)|(glue):([\w.-]+)")
_CONNECT = re.compile(r"sc://[^/;\s]+(?:/?(?:;[^;=\s]+=[^;\s]+)*)")

_NAMES = ("sail", "local[*]", "yarn")
ALLOWED = (
    "sail (without Java), local[*] or local[4] (Spark on this machine), spark://host:port, k8s://… "
    "or yarn (a cluster), sc://host:port (a Spark Connect server, with ;token=… if it requires "
    "one), emr-serverless:APPLICATION, emr-containers:VIRTUAL_CLUSTER or glue:JOB (a service of "
    "AWS that runs each table's step as a job)"
)


@dataclass(frozen=True, repr=False)
class Engine:
    """An engine as a setting names it.

    `sail` is embedded, without a JVM; `local` is Spark in this process's JVM; `cluster` is Spark
    with its driver here; `connect` is a server that speaks Spark Connect; `service` runs each
    table's step as a job, of which nothing is here.
    """

    text: str

    def __post_init__(self) -> None:
        if self.text != "sail" and not any(
            each.fullmatch(self.text) for each in (_LOCAL, _CLUSTER, _CONNECT, _SERVICE)
        ):
            close = get_close_matches(self.text.lower(), _NAMES, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            raise ValueError(
                f"{without_token(self.text)!r} is not an engine; {meant}Allowed: {ALLOWED}"
            )

    @property
    def kind(self) -> Kind:
        """What executes DataFrames."""
        if self.text == "sail":
            return "sail"
        if self.text.startswith("sc://"):
            return "connect"
        if self.service:
            return "service"
        return "local" if _LOCAL.fullmatch(self.text) else "cluster"

    @property
    def service(self) -> tuple[Service, str] | None:
        """The service that runs steps as jobs, with the id of its application or virtual cluster,
        or the name of its job; None for an engine."""
        name, _, target = self.text.partition(":")
        if not _SERVICE.fullmatch(self.text):
            return None
        return name, target  # type: ignore[return-value]

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
