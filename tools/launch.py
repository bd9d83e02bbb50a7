"""Choose a home under .platform and start a command in it, for `make demo` and `make dev`.

DATA_PLATFORM_HOME is the home if it is set. Otherwise a demo has a home for each folder of data,
and `.platform/last` names the one that `make dev` and the command line use.
"""

import argparse
import fcntl
import hashlib
import os
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType

from data_platform.settings.model import CHECKOUT, Settings
from data_platform.settings.values import SettingsError
from data_platform.storage.errors import LakeError

# Dagster's command, ended by Ctrl-C without a traceback while it is still importing. SIGINT is
# blocked until the hook is there, since Python would show a traceback while it starts itself.
_DAGSTER = """
import runpy
import signal
from tools.launch import end_quietly
end_quietly()
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
runpy.run_module("dagster", run_name="__main__", alter_sys=True)
"""


def main() -> None:
    end_quietly()
    args = _arguments()
    try:
        if args.command == "demo":
            _demo(args.data)
        else:
            _dev(args.host, args.port)
    except (SettingsError, LakeError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")


def end_quietly() -> None:
    """Let Ctrl-C end this process without a traceback; how it ends stays the same."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


def demo_name(data: Path | None) -> str:
    """`demo`, or a name unique to the folder of files: `demo-retail-1f3a09`."""
    if data is None:
        return "demo"
    resolved = data.resolve()
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in resolved.name) or "data"
    return f"demo-{name}-{hashlib.sha256(str(resolved).encode()).hexdigest()[:6]}"


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do, so that connections in TIME_WAIT do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _demo(data: Path | None) -> None:
    from data_platform.demo.landing import require_shop_files  # slow, like all imports below
    from data_platform.settings.environment import local_state

    if data is not None:
        require_shop_files(data)
    if not os.environ.get("DATA_PLATFORM_HOME"):
        name = demo_name(data)
        os.environ["DATA_PLATFORM_HOME"] = str(local_state() / name)
        local_state().mkdir(exist_ok=True)
        (local_state() / "last").write_text(name + "\n", "utf-8")
    settings_handed_on()
    _execute("-m", "data_platform.demo", *(["--data", str(data.resolve())] if data else []))


def _dev(host: str, port: int) -> None:
    settings = _home()
    url = f"http://{host}:{port}"
    _only_here(settings, url)
    if not port_is_free(host, port):
        sys.exit(f"error: {host}:{port} is in use; set another port: make dev PORT={port + 1}")
    workspace = str(CHECKOUT / "workspace.yaml")
    # Dagster handles SIGTERM like SIGINT, which a shell ignores in background jobs (`&`).
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    print(f"The UI will be at {url} (Ctrl-C ends it)", flush=True)
    # The warnings of `dagster dev` are for Dagster's developers.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    server = ["--host", host, "--port", str(port), "--log-level", "warning"]
    _execute("-c", _DAGSTER, "dev", "--workspace", workspace, *server)


def _only_here(settings: Settings, url: str) -> None:
    """Refuse a second UI on the home, whose sensors would request every run twice.

    The lock ends with `dagster dev`; its child processes do not inherit it.
    """
    lock = os.open(settings.home / "dev.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.read(lock, 200).decode()
        sys.exit(f"error: {settings.home} has a running UI ({other}); use it, or stop it first")
    os.truncate(lock, 0)
    os.write(lock, url.encode())
    os.set_inheritable(lock, True)


def _home() -> Settings:
    """The settings of the home, after preparing it for Dagster."""
    settings = settings_handed_on()
    from data_platform.cli.options import open_platform
    from data_platform.runs.instance import open_instance

    if settings.virtual_environment:
        open_platform()  # refuses one that does not exist, once and not in every tick of a sensor

    with open_instance(settings):
        pass  # since `dagster dev` starts several processes at once
    return settings


def settings_handed_on() -> Settings:
    """The settings of the home, which the next process has, too."""
    from data_platform.engine.java import require_java
    from data_platform.settings.environment import settings_from_env
    from data_platform.settings.virtual import inside

    settings = settings_from_env()
    if settings.spark.has_jvm:
        require_java(settings.spark.text)
    # Production's: the next process derives the home of a virtual environment from it.
    os.environ["DATA_PLATFORM_HOME"] = str(inside(settings, "").home)
    print(f"State: {settings.home}", flush=True)
    return settings


def _execute(*arguments: str) -> None:
    """Replace this process by that Python command."""
    os.execv(sys.executable, [sys.executable, *arguments])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo")
    demo.add_argument("--data", type=Path)
    dev = commands.add_parser("dev")
    dev.add_argument("--host", default="127.0.0.1")
    dev.add_argument("--port", type=int, default=3000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
