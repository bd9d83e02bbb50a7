"""The layout and the directions of imports that must never be broken.

Each rule is a pure function from sources to violations, so that a test beside it can show it
failing on a made-up tree.
"""

import ast
import logging
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "data_platform_tests"
FIXTURES = ("__init__.py", "conftest.py")
PACKAGE = "data_platform"
DOMAINS = f"{PACKAGE}.domains"
ENTRY_POINT = f"{PACKAGE}.definitions"

# Each imports only what is above it, and nothing beside it.
LAYERS = (
    ("settings", "tables", "storage", "databases"),
    ("access", "contracts", "engine", "telemetry"),
    ("landing", "lake"),
    ("quality",),
    ("assets",),
    ("build", "buckets", "serving", "streams", "migration"),
    ("runs",),
    ("health",),
    ("operations", "platform_defs"),
    ("domains",),
    ("definitions", "testing"),
    ("cli", "remote", "webserver"),
    ("demo",),
)
FOR_DOMAINS = 5  # layers that a domain may use, beside itself
TOP_LEVEL = frozenset({"__init__", *(name for layer in LAYERS for name in layer)})
MAX_LINES = 330
STORAGE_LIBRARIES = ("pyiceberg", "boto3", "botocore", "s3fs", "fsspec", "pyarrow.fs")
STORAGE_LAYERS = tuple(
    f"{PACKAGE}.{name}" for name in ("storage", "lake", "landing", "buckets", "demo")
)
ENVIRONMENT = f"{PACKAGE}.settings.environment"
SECRETS = (
    f"{PACKAGE}.settings.secrets"  # asks AWS for secrets, with the library that also does storage
)
KINDS = ("BronzeTable", "JudgedTable", "MergedTable")
OF_KINDS = tuple(f"{PACKAGE}.{name}" for name in ("assets", "build.kinds", "build.tables"))
# Where private parts of a package may be used, each with a test that compares them with the
# installed version.
INTERNALS = {
    "alembic": f"{PACKAGE}.databases.migration",
    "dagster": f"{PACKAGE}.build.dagster_internals",
    "dagster_aws": f"{PACKAGE}.platform_defs.dagster_aws_internals",
    "dagster_webserver": f"{PACKAGE}.webserver.dagster_webserver_internals",
    "dagster_postgres": f"{PACKAGE}.platform_defs.postgres_storage",
    "pandera": f"{PACKAGE}.contracts.pandera_internals",
    "pyiceberg": f"{PACKAGE}.lake.pyiceberg_internals",
    "pyspark": f"{PACKAGE}.engine.pyspark_internals",
    "re": f"{PACKAGE}.landing.patterns",
}
# Of named tuples and of `os`: documented in spite of their names.
DOCUMENTED = frozenset({"_asdict", "_exit", "_field_defaults", "_fields", "_make", "_replace"})
# What Spark's readers and writers have.
OF_SPARK = frozenset(
    {"bucketBy", "clusterBy", "csv", "foreach", "foreachBatch", "format", "insertInto", "jdbc"}
    | {"json", "load", "mode", "option", "options", "orc", "outputMode", "parquet", "partitionBy"}
    | {"queryName", "save", "saveAsTable", "schema", "sortBy", "start", "table", "text", "toTable"}
    | {"trigger", "xml"}
)

# What only a session in its own JVM has, and the modules for such sessions.
OF_A_JVM = frozenset({"sparkContext", "rdd", "_jdf", "_jsc", "_jsparkSession", "_jvm"})
WITH_A_JVM = (f"{PACKAGE}.engine.cluster", f"{PACKAGE}.engine.pyspark_internals")
CONFIGURING = (f"{PACKAGE}.engine.connect", f"{PACKAGE}.engine.shuffles")

# Of PyIceberg's tables; `schema` is one as well, and as a call without arguments nobody else's.
OF_ICEBERG = frozenset(
    {"current_snapshot", "manage_snapshots", "refs", "scan", "schemas", "snapshot_by_id"}
    | {"snapshot_by_name", "snapshots", "sort_order", "spec", "specs", "transaction"}
    | {"update_schema", "update_snapshot", "update_spec"}
)

Sources = dict[str, str]
"""Module name (a package's is its own, without `__init__`) to source text."""


def read_sources(package: Path) -> Sources:
    """Every module under `package`, by its dotted name."""
    return {_module_name(file, package.parent): file.read_text() for file in package.rglob("*.py")}


def _module_name(file: Path, root: Path) -> str:
    name = ".".join(file.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def within(module: str, *packages: str) -> bool:
    """Whether `module` is one of `packages` or inside one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports(module: str, sources: Sources) -> set[str]:
    """What `module` imports anywhere in its text, functions included, as absolute names.

    `from a import b` counts as `a`, and as `a.b`, since b may be a module.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package=_is_package(module, sources))
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def _absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def _is_package(module: str, sources: Sources) -> bool:
    return any(other.startswith(module + ".") for other in sources)


def reach(module: str, sources: Sources) -> dict[str, str]:
    """All that importing `module` brings in, each with the project's module that asks for it."""
    reached: dict[str, str] = {}
    waiting = [module]
    seen: set[str] = set()
    while waiting:
        current = waiting.pop()
        if current in seen or current not in sources:
            continue
        seen.add(current)
        for name in imports(current, sources):
            reached.setdefault(name, current)
            waiting.append(name)
    return reached


def dependencies(sources: Sources) -> dict[str, set[str]]:
    """By module the project's other modules that it imports, also where only types are checked."""
    found = {}
    for module in sources:
        names = {name for name in imports(module, sources) if within(name, PACKAGE)}
        modules = {name if name in sources else name.rpartition(".")[0] for name in names}
        # `from package import module` is about the module; a package's own file is empty
        found[module] = {
            name
            for name in modules & set(sources) - {module}
            if not any(other.startswith(f"{name}.") for other in modules)
        }
    return found


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Nodes that reach each other, each set of them once."""
    reached = {node: _reached(node, graph) for node in graph}
    seen: set[str] = set()
    for node in sorted(graph):
        if node not in seen and node in reached[node]:
            circle = [other for other in reached[node] if node in reached.get(other, ())]
            seen.update(circle)
            yield sorted(circle)


def _reached(node: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*graph.get(node, ())]
    while waiting:
        if (current := waiting.pop()) not in found:
            found.add(current)
            waiting += graph.get(current, ())
    return found


# --- the rules ----------------------------------------------------------------------------


def each_layer_imports_those_above(sources: Sources) -> Iterator[str]:
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    for module, others in dependencies(sources).items():
        for other in sorted(others):
            own, its = (name.split(".")[1] if "." in name else "" for name in (module, other))
            if own != its and own in rank and its in rank and rank[its] >= rank[own]:
                yield f"{module} imports {other}: {own} is above or beside {its}"


def domains_need_declarations_only(sources: Sources) -> Iterator[str]:
    allowed = {"domains", *(name for layer in LAYERS[:FOR_DOMAINS] for name in layer)}
    for module in sources:
        if within(module, DOMAINS):
            for name in imports(module, sources):
                if within(name, PACKAGE) and name != PACKAGE and name.split(".")[1] not in allowed:
                    yield f"{module} imports {name}: a domain declares tables, nothing else"


def no_files_import_each_other(sources: Sources) -> Iterator[str]:
    for circle in circles(dependencies(sources)):
        yield f"a circle of files: {', '.join(circle)}"


def no_folders_import_each_other(sources: Sources) -> Iterator[str]:
    folders: dict[str, set[str]] = {}
    for module, others in dependencies(sources).items():
        own = _folder(module, sources)
        its = {_folder(other, sources) for other in others}
        folders.setdefault(own, set()).update(its - {own})
    for circle in circles(folders):
        yield f"a circle of folders: {', '.join(circle)}"


def _folder(module: str, sources: Sources) -> str:
    """A module at the top is a folder of its own."""
    package = module if _is_package(module, sources) else module.rpartition(".")[0]
    return module if package == PACKAGE else package


def library_imports_no_domain(sources: Sources) -> Iterator[str]:
    for module in sources:
        if within(module, DOMAINS, ENTRY_POINT):
            continue
        for name in imports(module, sources):
            if within(name, DOMAINS):
                yield f"{module} imports {name}: only the entry point knows the domains"


def domains_meet_by_asset_key_only(sources: Sources) -> Iterator[str]:
    for module in sources:
        if not within(module, DOMAINS) or module == DOMAINS:
            continue
        own = ".".join(module.split(".")[:3])
        for name in imports(module, sources):
            if within(name, DOMAINS) and name != DOMAINS and not within(name, own):
                yield f"{module} imports {name}: domains meet by asset key"


def contracts_are_pure(sources: Sources) -> Iterator[str]:
    refused = ("dagster", "dagster_pyspark", f"{PACKAGE}.lake", f"{PACKAGE}.settings")
    yield from _unreachable(sources, f"{PACKAGE}.contracts", refused)


def contracts_are_described_without_an_engine(sources: Sources) -> Iterator[str]:
    refused = ("pyspark", "pandera")
    yield from _unreachable(sources, f"{PACKAGE}.contracts.contract", refused)


def the_api_needs_no_engine(sources: Sources) -> Iterator[str]:
    refused = ("dagster", "dagster_pyspark", "pyspark")
    yield from _unreachable(sources, f"{PACKAGE}.serving.api", refused)


def _unreachable(sources: Sources, package: str, refused: tuple[str, ...]) -> Iterator[str]:
    for module in sources:
        if not within(module, package):
            continue
        for name, asker in reach(module, sources).items():
            if within(name, *refused):
                yield f"{module} reaches {name} (imported by {asker})"


def only_settings_reads_the_environment(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if module == ENVIRONMENT:
            continue
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Attribute(value=ast.Name("os"), attr=name) | ast.alias(name=name):
                    if name in ("environ", "environb", "getenv", "getenvb"):
                        yield f"{module}:{node.lineno} reads the environment"


def only_storage_layers_touch_storage(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if within(module, *STORAGE_LAYERS, SECRETS):
            continue
        for name in imports(module, sources):
            if within(name, *STORAGE_LIBRARIES):
                yield f"{module} imports {name}"
        for node in ast.walk(ast.parse(source)):
            # frame.write.parquet(...), frame.write.mode(...), spark.read.csv(...)
            match node:
                case ast.Attribute(
                    value=ast.Attribute(attr="write" | "read" | "writeStream"), attr=attr
                ) if attr in OF_SPARK:
                    yield f"{module}:{node.lineno} reads or writes files through Spark"


def kinds_of_tables_are_told_apart_in_one_place(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if module in OF_KINDS:
            continue
        for node in ast.walk(ast.parse(source)):
            match node:
                case (
                    ast.Call(func=ast.Name("isinstance" | "issubclass"), args=[_, asked])
                    | ast.MatchClass(cls=asked)
                ):
                    names = {each.id for each in ast.walk(asked) if isinstance(each, ast.Name)}
                    names |= {e.attr for e in ast.walk(asked) if isinstance(e, ast.Attribute)}
                    if found := names.intersection(KINDS):
                        yield f"{module}:{node.lineno} asks for {', '.join(sorted(found))}"


def only_the_lake_knows_iceberg(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if within(module, f"{PACKAGE}.lake"):
            continue
        for name in sorted(imports(module, sources)):
            if within(name, "pyiceberg"):
                yield f"{module} imports {name}"
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(func=ast.Attribute(attr=name), args=args, keywords=keywords):
                    if name in OF_ICEBERG or (name == "schema" and not [*args, *keywords]):
                        yield f"{module}:{node.lineno} calls {name}() of PyIceberg's table"


def sessions_are_used_as_spark_connect_has_them(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if module not in WITH_A_JVM:
            for name in sorted(imports(module, sources)):
                if within(name, "pyspark.SparkContext", "pyspark.context", "pyspark.rdd"):
                    yield f"{module} imports {name}, which needs a JVM in this process"
            for line, name in _attributes(source):
                if name in OF_A_JVM:
                    yield f"{module}:{line} uses {name}, which a Connect session lacks"
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Attribute(value=ast.Attribute(attr="conf"), attr="set" | "unset"):
                    if module not in CONFIGURING:
                        yield f"{module}:{node.lineno} configures a session"


def private_parts_of_others_are_used_in_one_module_each(sources: Sources) -> Iterator[str]:
    graph = dependencies(sources)
    for module, source in sources.items():
        for name in sorted(imports(module, sources)):
            package, _, rest = name.partition(".")
            private = package != PACKAGE and any(map(_is_private, rest.split(".")))
            if private and INTERNALS.get(package) != module:
                yield f"{module} imports {name}"
        if module in INTERNALS.values():
            continue
        own = {name for each in (module, *graph[module]) for name in _defined(sources[each])}
        for line, name in _attributes(source):
            if _is_private(name) and name not in own | DOCUMENTED:
                yield f"{module}:{line} uses {name}, which neither it nor what it imports defines"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_")  # such names are documented


def _attributes(source: str) -> Iterator[tuple[int, str]]:
    """`x.name`, and `getattr(x, "name")` with its like, by line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.Call(
                func=ast.Name("getattr" | "hasattr" | "setattr" | "delattr"),
                args=[_, ast.Constant(str(name)), *_],
            ):
                yield node.lineno, name


@cache
def _defined(source: str) -> frozenset[str]:
    """Functions, classes, variables and fields of a module."""
    return frozenset(_names_in(ast.parse(source)))


def _names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name("self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


def modules_fit_in_a_head(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if (lines := len(source.splitlines())) >= MAX_LINES:
            yield f"{module} has {lines} lines: split it below {MAX_LINES}"


def package_files_are_empty(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        if _is_package(module, sources) and source.strip():
            yield f"{module}/__init__.py is not empty: one import path for each name"


def everything_has_its_place(sources: Sources) -> Iterator[str]:
    top = {module.split(".")[1] for module in sources if "." in module}
    for name in sorted(top - TOP_LEVEL):
        yield f"{PACKAGE}/{name} is not in the layout: {', '.join(sorted(TOP_LEVEL))}"


Rule = Callable[[Sources], Iterator[str]]

RULES_AND_OFFENDERS: list[tuple[Rule, Sources]] = [
    (
        library_imports_no_domain,
        {"data_platform.quality.volume": "from data_platform.domains.retail import silver"},
    ),
    (
        library_imports_no_domain,
        {"data_platform.assets": "def f():\n    import data_platform.domains.retail.gold"},
    ),
    (
        domains_meet_by_asset_key_only,
        {"data_platform.domains.funds.gold": "from data_platform.domains import retail"},
    ),
    (
        domains_meet_by_asset_key_only,
        {
            "data_platform.domains.funds.gold": "from ..retail.gold import daily_sales",
            "data_platform.domains.retail.gold": "",
        },
    ),
    (
        each_layer_imports_those_above,
        {
            "data_platform.lake.reads": "from data_platform.build.steps import build",
            "data_platform.build.steps": "",
        },
    ),
    (
        each_layer_imports_those_above,
        {
            "data_platform.lake.reads": "from data_platform.landing import source",
            "data_platform.landing": "",
            "data_platform.landing.source": "",
        },
    ),
    (
        domains_need_declarations_only,
        {"data_platform.domains.funds.gold": "from data_platform.build import steps"},
    ),
    (
        no_files_import_each_other,
        {
            "data_platform.lake.reads": "from data_platform.lake.files import x",
            "data_platform.lake.files": "def f():\n    from data_platform.lake import reads",
            "data_platform.lake": "",
        },
    ),
    (
        no_folders_import_each_other,
        {
            "data_platform.lake": "",
            "data_platform.lake.reads": "",
            "data_platform.lake.rejected": "from data_platform.lake.writing.parquet import x",
            "data_platform.lake.writing": "",
            "data_platform.lake.writing.parquet": "from data_platform.lake import reads",
        },
    ),
    (contracts_are_pure, {"data_platform.contracts.compile": "import dagster as dg"}),
    (contracts_are_pure, {"data_platform.contracts.compile": "from ..lake import table"}),
    (
        contracts_are_pure,
        {
            "data_platform.contracts.contract": "from data_platform.telemetry.logs import x",
            "data_platform.telemetry.logs": "from data_platform.settings.model import Settings",
        },
    ),
    (
        contracts_are_described_without_an_engine,
        {"data_platform.contracts.contract": "def f():\n    from pyspark.sql import types"},
    ),
    (
        contracts_are_described_without_an_engine,
        {
            "data_platform.contracts.contract": "from data_platform.contracts.spec import Check",
            "data_platform.contracts.spec": "import pandera.pyspark as pa",
        },
    ),
    (only_settings_reads_the_environment, {"data_platform.cli": "import os\nos.environ['A']"}),
    (only_settings_reads_the_environment, {"data_platform.cli": "from os import getenv"}),
    (
        only_storage_layers_touch_storage,
        {"data_platform.quality.volume": "from pyiceberg.catalog import load_catalog"},
    ),
    (
        only_storage_layers_touch_storage,
        {"data_platform.domains.retail.gold": "def f(df): df.write.parquet('x')"},
    ),
    (
        the_api_needs_no_engine,
        {
            "data_platform.serving.api": "from data_platform.lake import reads",
            "data_platform.lake.reads": "from pyspark.sql import SparkSession",
        },
    ),
    (the_api_needs_no_engine, {"data_platform.serving.api": "import dagster"}),
    (
        kinds_of_tables_are_told_apart_in_one_place,
        {"data_platform.runs.due": "a = [t for t in ts if isinstance(t, (int, BronzeTable))]"},
    ),
    (
        kinds_of_tables_are_told_apart_in_one_place,
        {"data_platform.build.trial": "match t:\n    case assets.MergedTable(id=name):\n        1"},
    ),
    (
        only_the_lake_knows_iceberg,
        {"data_platform.demo.report": "def f():\n    from pyiceberg.table import Table"},
    ),
    (
        only_the_lake_knows_iceberg,
        {"data_platform.build.merged": "def f(table): return table.snapshots()"},
    ),
    (
        only_the_lake_knows_iceberg,
        {"data_platform.build.steps": "def f(table): return table.schema().fields"},
    ),
    (
        sessions_are_used_as_spark_connect_has_them,
        {"data_platform.lake.reads": "def f(spark): return spark.sparkContext.defaultParallelism"},
    ),
    (
        sessions_are_used_as_spark_connect_has_them,
        {"data_platform.quality.spread": "def f(frame): return frame.select('a').rdd"},
    ),
    (
        sessions_are_used_as_spark_connect_has_them,
        {"data_platform.runs.due": "x = getattr(y, '_jvm')"},
    ),
    (
        sessions_are_used_as_spark_connect_has_them,
        {"data_platform.lake.reads": "def f():\n    from pyspark import SparkContext"},
    ),
    (
        sessions_are_used_as_spark_connect_has_them,
        {"data_platform.build.steps": "def f(spark): spark.conf.set('spark.sql.ansi.enabled', 1)"},
    ),
    (
        sessions_are_used_as_spark_connect_has_them,
        {"data_platform.engine.pyspark_internals": "def f(s): s.sparkSession.conf.unset('a')"},
    ),
    (
        private_parts_of_others_are_used_in_one_module_each,
        {"data_platform.build.events": "from dagster._core.storage.tags import MAX_RETRIES_TAG"},
    ),
    (
        private_parts_of_others_are_used_in_one_module_each,
        {"data_platform.build.dagster_internals": "from pyiceberg.table.snapshot import _Files"},
    ),
    (
        private_parts_of_others_are_used_in_one_module_each,
        {"data_platform.engine.session": "def jobs(spark):\n    return spark._jvm"},
    ),
    (
        private_parts_of_others_are_used_in_one_module_each,
        {"data_platform.engine.session": "def jobs(spark):\n    return getattr(spark, '_jvm')"},
    ),
    (
        private_parts_of_others_are_used_in_one_module_each,
        {
            "data_platform.lake.file_io": "def f(file):\n    return file._path",
            "data_platform.landing.source": "class Source:\n    _path: str",
        },
    ),
    (modules_fit_in_a_head, {"data_platform.cli": "x = 1\n" * MAX_LINES}),
    (
        package_files_are_empty,
        {"data_platform.lake": "from .reads import Reads", "data_platform.lake.reads": ""},
    ),
    (everything_has_its_place, {"data_platform.utils": ""}),
]

RULES = list(dict.fromkeys(rule for rule, _ in RULES_AND_OFFENDERS))


def _name(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(read_sources(ROOT / PACKAGE))) == []


@pytest.mark.parametrize(("rule", "offender"), RULES_AND_OFFENDERS, ids=_name)
def test_the_rule_can_fail(rule: Rule, offender: Sources) -> None:
    assert list(rule(offender))


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_the_rule_lets_a_decent_tree_pass(rule: Rule) -> None:
    tree = {
        "data_platform": "",
        "data_platform.definitions": "from data_platform.domains import retail",
        "data_platform.settings.environment": "import os\nos.environ",
        "data_platform.contracts.compile": "from pyspark.sql import functions as F",
        "data_platform.lake": "",
        "data_platform.lake.reads": "import pyiceberg\n"
        "def f(df, table): df.write.parquet(table.schema())",
        "data_platform.build.steps": "def f(frame, kind): return frame.schema, kind.schema(1)",
        "data_platform.build.kinds": "match t:\n    case JudgedTable():\n        isinstance(t, X)",
        "data_platform.engine.pyspark_internals": "def f(spark): return spark._jvm",
        "data_platform.engine.shuffles": "def f(spark): spark.conf.set('a', spark.conf.get('b'))",
        "data_platform.serving.api": "from data_platform.contracts import contract",
        "data_platform.domains.retail.gold": "from .contracts import X\nimport dagster",
        "data_platform.build.dagster_internals": "from dagster._core import events as _events",
        "data_platform.landing.ledger": "",
        "data_platform.landing.ledger.reads": "class Reads:\n    def _entries(self): ...",
        "data_platform.landing.ledger.ledger": "from data_platform.landing.ledger import reads\n"
        "class Ledger(reads.Reads):\n    def f(self): return self._entries()._replace(a=1)",
    }
    assert list(rule(tree)) == []


def test_private_methods_of_others_are_replaced_in_the_same_modules() -> None:
    classes = {
        each
        for module in read_sources(ROOT / PACKAGE)
        if module not in INTERNALS.values() and not module.endswith("__main__")
        for each in vars(import_module(module)).values()
        if isinstance(each, type) and each.__module__ == module
    }

    assert [(each, found) for each in classes for found in [replaced(each)] if found] == []


def test_a_replaced_private_method_is_found() -> None:
    class Quiet(logging.Formatter):
        def _fmt(self) -> str:
            return ""

        def _own(self) -> None: ...

    class Batch(queue.Queue):
        def _put(self, item: object) -> None: ...

    assert (replaced(Quiet), replaced(Batch)) == ([], ["_put"])


def replaced(cls: type) -> list[str]:
    """The private methods of other packages' classes that a class has itself."""
    foreign = [base for base in cls.__mro__[1:] if not within(base.__module__, PACKAGE)]
    return [
        name
        for name, value in vars(cls).items()
        if _is_private(name) and isinstance(value, FunctionType | property)
        if any(name in vars(base) for base in foreign)
    ]


def test_tests_mirror_the_package() -> None:
    mirrored = {file.parent.relative_to(TESTS) for file in TESTS.rglob("test_*.py")}
    mirrored -= {Path(name) for name in ("soak", "cluster", "kubernetes", "deployed")}  # whole runs
    mirrored -= {Path("helm")}  # of docker/helm
    homeless = [str(path) for path in mirrored if not (ROOT / PACKAGE / path).is_dir()]
    assert [path for path in homeless if not (ROOT / path).is_dir()] == []


def test_what_tests_share_is_in_support() -> None:
    assert list(misplaced(TESTS)) == []


@pytest.mark.parametrize("file", ["lake/home.py", "support/test_home.py", "conftests.py"])
def test_a_module_that_is_misplaced_among_the_tests_is_found(tmp_path: Path, file: str) -> None:
    tests = tmp_path / "tests"
    for name in ("conftest.py", "lake/test_reads.py", "support/retail/shop.py", file):
        (tests / name).parent.mkdir(parents=True, exist_ok=True)
        (tests / name).touch()

    assert list(misplaced(tests)) == [file]


def misplaced(tests: Path) -> Iterator[str]:
    """Tests in `support`, and modules elsewhere that have neither tests nor fixtures alone."""
    for file in tests.rglob("*.py"):
        path = file.relative_to(tests)
        shared = path.parts[0] == "support"
        if shared == file.name.startswith("test_") and file.name not in FIXTURES:
            yield str(path)


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("norecursedirs")
    folders = {file.parent.name for file in TESTS.rglob("test_*.py")}
    assert [name for name in folders if any(fnmatch(name, each) for each in patterns)] == []


def test_importing_does_no_input_or_output() -> None:
    assert _deeds(ROOT, PACKAGE) == []


@pytest.mark.parametrize(
    "deed",
    [
        "open('made', 'w')",
        "open('/etc/hostname').read()",
        "from pathlib import Path\nPath('made').mkdir()",
        "import subprocess\nsubprocess.run(['true'])",
        "import sqlite3\nsqlite3.connect('made.db')",
        "def f():\n    open('made', 'w')\nf()",
    ],
)
def test_a_deed_at_import_is_found(tmp_path: Path, deed: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "innocent.py").write_text("import json, os.path\nX = json.dumps({})\n")
    (tmp_path / "shop" / "guilty.py").write_text(deed)

    found = _deeds(tmp_path, "shop")

    assert found
    assert all(line.startswith("shop/guilty.py: ") for line in found)


def _deeds(root: Path, package: str) -> list[str]:
    script = TESTS / "support" / "processes" / "import_audit.py"
    done = subprocess.run(
        [sys.executable, str(script), str(root), package],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []
