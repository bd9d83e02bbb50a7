"""Wait until a process that serves can be reached."""

import subprocess
from pathlib import Path
from typing import Any

from data_platform.storage.waiting import is_listening, wait


def until_it_listens(
    process: "subprocess.Popen[Any]", port: int, log: Path, *, patience: float = 120
) -> None:
    """Wait until it accepts connections at the port of this machine; fail with its log if it ends,
    or does not within `patience` seconds."""
    up = wait(lambda: is_listening("127.0.0.1", port) or process.poll() is not None, patience)
    assert up and process.poll() is None, log.read_text("utf-8", "replace")
