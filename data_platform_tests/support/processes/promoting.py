"""Promote the environment of a home, where no engine can be imported: `python promoting.py HOME`.

Prints what was done. Sail and Spark's sessions with a server, which Sail's are, cannot be imported;
PySpark's own types can, which declarations are made of.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ENGINES = ("pysail", "grpc", "pyspark.sql.connect.session")


class NoEngine(MetaPathFinder):
    """Finds no module of an engine; the error says that one was asked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(ENGINES):
            raise ModuleNotFoundError(f"an engine is imported: {fullname}", name=fullname)
        return None


def main(home: str) -> None:
    sys.meta_path.insert(0, NoEngine())
    from data_platform.build.platform import Platform
    from data_platform.domains.retail.bronze import order_lines as bronze
    from data_platform.domains.retail.gold import daily_sales
    from data_platform.operations.promotion import promote
    from data_platform.operations.repair import instance_of
    from data_platform.runs.scope import Scope
    from data_platform.settings.environment import settings_at
    from data_platform_tests.support.environments import NAME, changed

    platform = Platform(settings_at(home))
    with instance_of(platform) as instance:
        done = promote(Scope(instance, platform, (bronze, changed(), daily_sales)), NAME)
    print(*done.lines, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
