"""One of Dagster's commands as it is, in a process that logs JSON lines: `python -m
data_platform.runs.dagster_command dagster api …`."""

import sys
from importlib.metadata import entry_points

from data_platform.telemetry.logs import log_as


def main() -> None:
    name, *arguments = sys.argv[1:]
    [command] = entry_points(group="console_scripts", name=name)
    log_as("json")
    sys.argv = [name, *arguments]
    sys.exit(command.load()())


if __name__ == "__main__":
    main()
