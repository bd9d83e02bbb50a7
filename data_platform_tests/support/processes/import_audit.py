"""Import every module of a package and report what each does to the world meanwhile.

Run as `python import_audit.py ROOT PACKAGE`; prints one line for each deed. A process of its
own, because an audit hook cannot be taken off and what is imported already proves nothing.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

DEEDS = frozenset(
    {
        "open",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.listdir",
        "os.scandir",
        "os.truncate",
        "os.symlink",
        "shutil.copyfile",
        "shutil.rmtree",
        "tempfile.mkstemp",
        "tempfile.mkdtemp",
        "sqlite3.connect",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "urllib.Request",
    }
)


def modules_of(root: Path, package: str) -> list[str]:
    """Every module's dotted name, without the `__main__` ones, which are meant to act."""
    files = sorted((root / package).rglob("*.py"))
    dotted = (".".join(file.relative_to(root).with_suffix("").parts) for file in files)
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def audit(root: Path, package: str) -> list[str]:
    """`module: event argument` for each deed done while one of the package's modules loads."""
    found: list[str] = []
    own = str(root / package) + os.sep

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in DEEDS or (culprit := _loading_module()) is None:
            return
        subject = str(arguments[0]) if arguments else ""
        # The standard library reads source lines to describe functions.
        if culprit.startswith(own) and not subject.endswith((".py", ".pyc")):
            found.append(f"{culprit.removeprefix(str(root) + os.sep)}: {event} {subject}")

    sys.addaudithook(hook)
    for module in modules_of(root, package):
        importlib.import_module(module)
    return found


def _loading_module() -> str | None:
    """The file of the module whose own top-level code is the reason; None for an import's work."""
    for filename, function in _callers():
        if filename.startswith("<frozen importlib"):
            return None
        if function == "<module>":
            return filename
    return None


def _callers() -> Iterator[tuple[str, str]]:
    frame = sys._getframe(3)
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_code.co_name
        frame = frame.f_back


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    root = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(root))
    print("\n".join(audit(root, sys.argv[2])))
