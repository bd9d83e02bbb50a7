"""Export of log records by OTLP: a request goes to a spool, and a thread sends it.

Only `otlp` imports this module, as it does `export`, and for the same reason.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from data_platform.telemetry.collector import Target
from data_platform.telemetry.export import LAST_SECONDS, resource
from data_platform.telemetry.sending import Sender
from data_platform.telemetry.spool import Spool


class Records:
    """The export of this process's records."""

    def __init__(self, folder: Path, target: Target) -> None:
        self._sender = Sender(Spool(folder / "logs"), target)
        self._resource = dict(resource().attributes)
        self._sender.start()

    def export(self, request: Callable[[Mapping[str, object]], bytes]) -> None:
        """Put a request into the spool, made with the attributes of this process's resource. Raises
        OSError if the disk does not take it."""
        self._sender.put("", request(self._resource))

    def stop(self) -> None:
        """Send what waits, if the collector answers."""
        self._sender.stop(LAST_SECONDS)
