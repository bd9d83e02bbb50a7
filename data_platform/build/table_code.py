"""The code that builds a table, by which another process can tell whether it has the same.

A table's own version leaves out what its function calls, and the platform: a change there makes no
partition stale. Of two processes that build one table, both must have it.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import data_platform
from data_platform.assets import Table
from data_platform.build.kinds import modules_of


def code_of(table: Table) -> dict[str, str]:
    """Digests of the table's declaration with its function (`table`), of the modules that it is
    computed by with what they import of their own packages (`modules`), and of this project
    (`platform`)."""
    users = {each for each in modules_of(table) if _package(each) != data_platform.__name__}
    own = dict(chain.from_iterable(map(_imported, users)))
    return {"table": table.version, "modules": _digest(own), "platform": _platform()}


@cache
def _platform() -> str:
    folder = Path(data_platform.__path__[0])
    return _digest({str(each.relative_to(folder)): each for each in folder.rglob("*.py")})


def _digest(files: dict[str, Path]) -> str:
    found = hashlib.sha256()
    for name, path in sorted(files.items()):
        found.update(b"%b\0%b\0" % (name.encode(), path.read_bytes()))
    return found.hexdigest()[:16]


def _imported(module: str) -> Iterator[tuple[str, Path]]:
    """A module and those that it imports of its own top-level package, directly or indirectly, with
    their files."""
    waiting, seen = [module], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or _package(name) != _package(module):
            continue
        seen.add(name)
        if path := _file(name):
            yield name, path
            waiting += _names(path, name, is_package=path.name == "__init__.py")


def _package(module: str) -> str:
    return module.partition(".")[0]


def _file(module: str) -> Path | None:
    """None for what is no module of Python's, such as a function that a module imports."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    origin = Path(spec.origin) if spec and spec.origin else None
    return origin if origin and origin.suffix == ".py" else None


def _names(path: Path, module: str, *, is_package: bool) -> Iterator[str]:
    """What a module imports: modules, and what may be modules."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names):
                yield from (each.name for each in names)
            case ast.ImportFrom(of, names, level):
                place = package.split(".")[: 1 - level or None] if level else []
                base = ".".join([*place, *([of] if of else [])])
                yield base
                yield from (f"{base}.{each.name}" for each in names)
