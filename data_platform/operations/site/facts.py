"""What the site says, gathered from the platform's metadata; of rows it reads only examples."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from data_platform.access.ranges import as_ranges
from data_platform.assets import Table
from data_platform.buckets.prices import monthly_cost, price
from data_platform.build.platform import Platform
from data_platform.lake.attempts import RunFigures, attempts, of_runs
from data_platform.lake.catalog import LakeTable
from data_platform.lake.figures import PeriodFigures, TableFigures, figures, periods
from data_platform.lake.files import Files, files_by_partition, versions
from data_platform.lake.sizes import TableBytes, size_of
from data_platform.lake.upkeep.browse import SnapshotFigures, history
from data_platform.landing.ledger.tables import Entry
from data_platform.operations.lineage import Lineage
from data_platform.operations.site.examples import Examples, examples, made_from_personal
from data_platform.operations.status import Status, TableStatus
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import LAYERS
from data_platform.telemetry.incidents import Incident, incidents

PERIODS = 200  # that a page's plots and figures show, the newest
_VERSIONS = 20
_OBJECTS = 100
_CLOSED = 50
_HELD = 100


@dataclass(frozen=True)
class Period:
    """A table's partitions of one time: what is published, and what was rejected for it."""

    published: PeriodFigures
    quarantined: int
    duplicates: int

    @property
    def received(self) -> int:
        """All rows that it was made from."""
        return self.published.rows + self.quarantined + self.duplicates


@dataclass(frozen=True)
class Version:
    """A commit, with what the register knows of its run: None if it knows nothing."""

    commit: SnapshotFigures
    run: RunFigures | None


@dataclass(frozen=True)
class Held:
    """The partitions whose last build was held back, as ranges, and the checks that did it."""

    count: int = 0
    ranges: str = ""
    checks: Sequence[str] = ()


@dataclass(frozen=True)
class Published:
    """What is published of a table, and what it costs; `cost` is in dollars a month if known."""

    figures: TableFigures
    size: TableBytes
    cost: float | None
    periods: Sequence[Period]
    history: Sequence[Version]
    more_versions: int
    examples: Examples


@dataclass(frozen=True)
class TableFacts:
    """A declared table; `published` is None until its first version. `rules` counts the rows that
    broke each rule in the partitions that are shown."""

    table: Table
    status: TableStatus
    moment: dt.datetime | None
    published: Published | None
    held: Held = field(default_factory=Held)
    rules: Mapping[str, int] = field(default_factory=dict)
    incidents: Sequence[Incident] = ()

    @property
    def quarantined(self) -> int:
        """Rows in quarantine of the periods that are shown."""
        return sum(each.quarantined for each in self.published.periods) if self.published else 0


@dataclass(frozen=True)
class SourceFacts:
    """A source: its landed objects by state, and when the oldest pending one was first seen."""

    table: Table
    pending: int
    failed: int
    oldest: dt.datetime | None
    newest: Entry | None


@dataclass(frozen=True)
class SiteFacts:
    """All that the site says."""

    project: str
    tables: Sequence[TableFacts]
    status: Status
    sources: Sequence[SourceFacts]
    objects: Sequence[Entry]
    more_objects: int
    incidents: Sequence[Incident]
    closed: Sequence[Incident]
    lineage: Lineage

    @property
    def newest(self) -> dt.datetime | None:
        """When a table was last published."""
        return max((each.moment for each in self.tables if each.moment), default=None)


@dataclass(frozen=True)
class Gathering:
    """Gathers the facts of a platform with these tables; `rows` are examples for each table, of
    those `without` none."""

    platform: Platform
    tables: Sequence[Table]
    lineage: Lineage
    rows: int
    without: Collection[str] = ()

    def facts(self, status: Status) -> SiteFacts:
        """All facts; `status` is the platform's."""
        settings, ledger = self.platform.settings, self.platform.ledger
        database = self.platform.builds.database
        found = incidents(database)
        of_all = incidents(database, closed=True, most=_CLOSED + len(found))
        objects = [*ledger.failed(), *ledger.unknown()]
        by_table = {each.table: each for each in status.tables}
        ordered = sorted(self.tables, key=lambda table: (LAYERS.index(table.id.layer), table.id))
        return SiteFacts(
            project=f"{settings.project}-{settings.environment}",
            tables=[self._of(table, by_table[str(table.id)], found) for table in ordered],
            status=status,
            sources=self._sources(),
            objects=objects[:_OBJECTS],
            more_objects=max(len(objects) - _OBJECTS, 0),
            incidents=found,
            closed=[each for each in of_all if each.closed][:_CLOSED],
            lineage=self.lineage,
        )

    def _of(self, table: Table, status: TableStatus, found: Sequence[Incident]) -> TableFacts:
        own = [each for each in found if each.subject == str(table.id)]
        tried = attempts(self.platform.builds, table.id)
        held = self._held(table)
        try:
            loaded = self.platform.lake.find(table.id)
        except LakeError:  # a foreign table in its place; the status says so
            loaded = None
        files = files_by_partition(loaded) if loaded else {}
        if loaded is None or not files:
            return TableFacts(table, status, tried.published, None, held, {}, own)
        shown, rules = self._periods(table, loaded, files)
        published = self._published(table, loaded, files, shown)
        return TableFacts(table, status, tried.published, published, held, rules, own)

    def _published(
        self, table: Table, loaded: LakeTable, files: Files, shown: Sequence[Period]
    ) -> Published:
        size, commits = size_of(table.id, loaded), history(loaded)
        newest = commits[:_VERSIONS]
        runs = of_runs(self.platform.builds, table.id, {each.run for each in newest})
        rows = 0 if str(table.id) in self.without else self.rows
        hidden = made_from_personal(table, self.tables, self.lineage)
        return Published(
            figures=figures(loaded, files),
            size=size,
            cost=monthly_cost(size.total, price(self.platform.settings)),
            periods=shown,
            history=[Version(each, runs.get(each.run)) for each in newest],
            more_versions=len(commits) - len(newest),
            examples=examples(table, loaded, files, rows, hidden),
        )

    def _periods(
        self, table: Table, loaded: LakeTable, files: Files
    ) -> tuple[list[Period], dict[str, int]]:
        found = periods(loaded, files, PERIODS)
        keys = {key for each in found for key in each.keys}
        published = {key: of for key, of in versions(files).items() if key in keys}
        builds = self.platform.builds.of(table.id, published)
        rules = Counter[str]()
        for build in builds.values():
            rules.update(build.rules or {})
        shown = []
        for each in found:
            of = [builds[key] for key in each.keys if key in builds]
            bad, repeats = sum(b.quarantined for b in of), sum(b.duplicates for b in of)
            shown.append(Period(each, bad, repeats))
        return shown, dict(sorted(rules.items(), key=lambda item: (-item[1], item[0])))

    def _held(self, table: Table) -> Held:
        builds = self.platform.builds.held_back(table.id)
        checks = sorted({check for build in builds.values() for check in build.failed})
        ranges = as_ranges(sorted(builds)[-_HELD:])
        return Held(len(builds), ranges, checks)

    def _sources(self) -> list[SourceFacts]:
        ledger, found = self.platform.ledger, self.platform.ledger.open_objects()
        sources = []
        for table in self.tables:
            if table.source:
                name = table.source.name
                pending, oldest = found.get((name, "pending"), (0, None))
                failed, _ = found.get((name, "failed"), (0, None))
                sources.append(SourceFacts(table, pending, failed, oldest, ledger.newest(name)))
        return sources
