"""The command of a container: a short name of one of the servers, or any program.

`code-server` is Dagster's own command with the addresses that an image has; `webserver` and
`daemon` are the platform's, with the options of Dagster's. Before a program that opens Dagster's
instance starts, the home is given its `dagster.yaml`, and libpq the database's password, as
`data-platform` commands do themselves. Where DAGSTER_HOME is set, a deployment has its own
`dagster.yaml` there (in Kubernetes, with its own run launcher), which stays as it is.
"""

import os
import sys
from collections.abc import Sequence

from data_platform.runs.home import prepare_home
from data_platform.settings.environment import (
    enter_home,
    export,
    give_password,
    given_dagster_home,
    settings_from_env,
)
from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError

WEBSERVER_PORT = 3000
CODE_SERVER_PORT = 4000
WEBSERVER = "data_platform.webserver"
DAEMON = "data_platform.runs.daemon"
# A code server's own process has Dagster's JSON until it has loaded the platform.
_JSON_LOGS = {"DAGSTER_CLI_API_GRPC_LOG_FORMAT": "json"}
WORKSPACE = "/etc/data-platform/workspace.yaml"  # another one: mount it there

_ANYWHERE = ("--host", "0.0.0.0")
COMMANDS = {
    "webserver": (
        *(sys.executable, "-m", WEBSERVER, *_ANYWHERE),
        *("--port", str(WEBSERVER_PORT), "-w", WORKSPACE),
    ),
    "daemon": (sys.executable, "-m", DAEMON, "-w", WORKSPACE),
    "code-server": (
        *("dagster", "code-server", "start", *_ANYWHERE, "--port", str(CODE_SERVER_PORT)),
        *("-m", "data_platform.definitions", "--location-name", "data_platform"),
    ),
}


def command_of(arguments: Sequence[str]) -> list[str]:
    """The program that the arguments mean, with its own; what follows a short name is added."""
    if not arguments:
        return ["data-platform", "--help"]
    first, *others = arguments
    return [*COMMANDS.get(first, (first,)), *others]


def is_of_dagster(command: Sequence[str]) -> bool:
    """Whether the command opens Dagster's instance without being told where it is."""
    return command[0].startswith("dagster") or bool({WEBSERVER, DAEMON} & {*command[1:3]})


def with_json_logs(command: Sequence[str]) -> list[str]:
    """The same command, in a process that logs JSON lines; the platform's own servers do so
    themselves."""
    if command[0].startswith("dagster"):
        return [sys.executable, "-m", "data_platform.runs.dagster_command", *command]
    return list(command)


def enter_its_home(settings: Settings) -> None:
    """Make this process, and the program it becomes, find Dagster's instance; idempotent."""
    if given_dagster_home():
        give_password(settings)
    else:
        prepare_home(settings)
        enter_home(settings)


def main() -> None:
    command = command_of(sys.argv[1:])
    try:
        if is_of_dagster(command):
            settings = settings_from_env()
            enter_its_home(settings)
            if settings.log_format == "json":
                export(**_JSON_LOGS)
                command = with_json_logs(command)
        os.execvp(command[0], command)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    except FileNotFoundError:
        known = ", ".join(COMMANDS)
        sys.exit(f"error: {command[0]} is no program of this image, nor one of: {known}")


if __name__ == "__main__":
    main()
