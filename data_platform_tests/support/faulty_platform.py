"""A platform that breaks at a chosen step: storage, Iceberg's files and catalog, ledger, register.

Each is the real thing that counts its steps in a `Faults` and raises where that says so;
`FaultyPlatform` puts them together.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

import sqlalchemy as sa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import InputFile, OutputFile
from sqlalchemy import event

from data_platform.build.platform import Platform
from data_platform.databases.connections import Database
from data_platform.lake.builds import Build, Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.file_io import LakeFileIO
from data_platform.landing.ledger.ledger import Ledger
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId
from data_platform_tests.support.faults import Faults


class _Stream:
    """A file being written: its first write is a step, so that what follows may be missing.

    A dead process writes no more (PyArrow tries to, when a writer is collected).
    """

    def __init__(self, inner: Any, faults: Faults, name: str) -> None:
        self._inner, self._faults, self._name = inner, faults, name
        self._begun = False

    def write(self, data: bytes) -> int:
        if self._faults.dead:
            return len(data)
        if self._begun and not self._faults.lasting:
            return self._inner.write(data)
        self._begun = True
        with self._faults.step(f"write {self._name}"):
            return self._inner.write(data)

    def close(self) -> None:
        if self._inner.closed:
            return
        if not self._faults.dead:
            with self._faults.step(f"close {self._name}"):
                self._inner.close()
        self._inner.close()

    def tell(self) -> int:
        return self._inner.tell()

    def flush(self) -> None:
        self._inner.flush()

    @property
    def closed(self) -> bool:
        return self._inner.closed

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class FaultyStorage(Storage):
    """The lake's storage: its folders, files and deletions are steps."""

    faults: Faults = field(default_factory=Faults)

    def make_folder(self, location: str) -> None:
        with self.faults.step("make data folder"):
            super().make_folder(location)

    def open_output(self, location: str) -> BinaryIO:
        with self.faults.step("open data"):
            return _Stream(super().open_output(location), self.faults, "data")  # type: ignore[return-value]

    def delete(self, location: str) -> None:
        with self.faults.step("delete data"):
            super().delete(location)


class _Output(OutputFile):
    def __init__(self, inner: OutputFile, faults: Faults) -> None:
        super().__init__(inner.location)
        self._inner, self._faults = inner, faults
        self._name = "metadata" if inner.location.endswith(".json") else "manifest"

    def __len__(self) -> int:
        return len(self._inner)

    def exists(self) -> bool:
        return self._inner.exists()

    def to_input_file(self) -> InputFile:
        return self._inner.to_input_file()

    def create(self, overwrite: bool = False) -> Any:
        with self._faults.step(f"open {self._name}"):
            return _Stream(self._inner.create(overwrite), self._faults, self._name)


class FaultyFileIO(LakeFileIO):
    """PyIceberg's files; named by the catalog's property `py-io-impl`."""

    @property
    def _faults(self) -> Faults:
        return FaultyLake.plans[str(self.properties["faults"])]

    def new_output(self, location: str) -> Any:
        return _Output(super().new_output(location), self._faults)

    def delete(self, location: Any) -> None:
        with self._faults.step("delete metadata"):
            super().delete(location)


class FaultyCatalog(SqlCatalog):
    """PyIceberg's SQL catalog: each of its transactions is a step."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        self._faults = FaultyLake.plans[properties["faults"]]
        self._number = 0
        event.listen(self.engine, "commit", self._commit)

    def _commit(self, connection: sa.Connection) -> None:
        try:
            self._number = self._faults.before("commit")
        except BaseException:
            connection.connection.rollback()  # as the database does once the process is dead
            raise

    def commit_table(self, table: Any, requirements: Any, updates: Any) -> Any:
        self._number = 0
        response = super().commit_table(table, requirements, updates)
        self._faults.done("commit", self._number)
        return response


@dataclass(frozen=True)
class FaultyLake(Lake):
    """A lake in `FaultyCatalog`."""

    plans: ClassVar[dict[str, Faults]] = {}
    _names: ClassVar[Iterator[int]] = itertools.count()

    @staticmethod
    def of(lake: Lake, faults: Faults) -> "FaultyLake":
        name = str(next(FaultyLake._names))
        FaultyLake.plans[name] = faults
        here = {
            "py-catalog-impl": f"{__name__}.{FaultyCatalog.__name__}",
            "py-io-impl": f"{__name__}.{FaultyFileIO.__name__}",
            "faults": name,
        }
        properties = {k: v for k, v in lake.properties.items() if k != "type"}
        return FaultyLake({**properties, **here}, lake.warehouse)


@dataclass(frozen=True)
class FaultyBuilds(Builds):
    """The register of builds: each recording is a step."""

    faults: Faults = field(default_factory=Faults)

    def record(self, builds: Any) -> None:
        found: list[Build] = list(builds)
        with self.faults.step("register builds"):
            super().record(found)

    def adopt(self, table: TableId, builds: Iterable[Build]) -> None:
        with self.faults.step("adopt builds"):
            super().adopt(table, builds)


class _FaultyDatabase(Database):
    def __init__(self, url: str, faults: Faults) -> None:
        super().__init__(url, wait=30)
        self._faults = faults

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        number = self._faults.before("ledger")
        with super().write() as connection:
            yield connection
        self._faults.done("ledger", number)


class FaultyLedger(Ledger):
    """The ledger: each of its transactions is a step."""

    def __init__(self, url: str, faults: Faults, clock: Callable[[], datetime]) -> None:
        super().__init__(url, clock=clock)
        self.database = _FaultyDatabase(url, faults)


@dataclass(frozen=True)
class FaultyPlatform(Platform):
    """All of it, breaking as one."""

    faults: Faults = field(default_factory=Faults)

    @cached_property
    def lake(self) -> Lake:
        return FaultyLake.of(
            Lake(self.settings.catalog_properties, self.settings.warehouse_uri), self.faults
        )

    @cached_property
    def builds(self) -> Builds:
        return FaultyBuilds(self.settings.ledger_uri, clock=self.clock, faults=self.faults)

    @cached_property
    def ledger(self) -> Ledger:
        return FaultyLedger(self.settings.ledger_uri, self.faults, self.clock)
