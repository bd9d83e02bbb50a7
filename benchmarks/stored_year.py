"""The retail year on an object store: its time against a directory's, and its requests."""

from collections import Counter
from pathlib import Path

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.one_partition import run_process
from benchmarks.requests import Request, counted
from benchmarks.store import StoredHome, stored_home
from benchmarks.workload import Workload, remove
from data_platform.build.platform import Platform
from data_platform.definitions import declared
from data_platform.settings.model import Settings

_PAIRS = 3
_MOST = 30  # requests
_PAGE = Path(__file__).parent / "REQUESTS.md"
_BUILD = ["-m", "benchmarks.platform_runs"]
_INTRO = """# Requests to the object store

Made by `make bench` from versitygw's access log: every request of the retail year's backfill, the
failed ones too, and beside it those of the run of one more day. Each is charged to the table whose
files it was about: a bronze table also has its landed objects, any table its quarantine and
duplicates. Both are divided by the partitions that were built.
"""


def s3_year(load: Workload) -> list[Measurement]:
    """Each in a new process, from launch to end: sensors, runs, checks."""
    pairs = interleaved(lambda: _on_s3(load), lambda: _on_disk(load), pairs=load.pairs(_PAIRS))
    name = "landed files to gold on versitygw / in a directory"
    return [of_pairs("s3_year", name, pairs, bound="at most", goal=1.5, note=load.text)]


def s3_requests(load: Workload) -> list[Measurement]:
    """A year but its last day, then that day, each in a new process that remembers nothing."""
    *year, day = load.files
    with stored_home(load) as home:
        requests, partitions = _built(home, year)
        of_day, day_partitions = _built(home, [day])
    page = _page(requests, partitions, of_day, day_partitions)
    print(page if load.quick else f"    written to {_PAGE.name}")
    if not load.quick:
        _PAGE.write_text(page, "utf-8")
    found = [
        _measured("of all tables", _by_table(requests), partitions, f"{len(year)} files landed")
    ]
    for table in partitions:
        own = Counter({table: _by_table(requests)[table]})
        found.append(_measured(f"of {table}", own, Counter({table: partitions[table]})))
    total, built = _by_table(of_day).total(), day_partitions.total()
    name = "requests to the store of a run of one day / the partitions it builds"
    return [*found, of_pairs("s3_requests", name, [(total, built)], unit="requests")]


def _measured(
    whose: str, requests: Counter[str], partitions: Counter[str], note: str = ""
) -> Measurement:
    name = f"requests to the store {whose} in the year's backfill / its partitions"
    return of_pairs(
        "s3_requests",
        name,
        [(requests.total(), partitions.total())],
        bound="at most",
        goal=_MOST,
        unit="requests",
        note=note,
    )


def _on_disk(load: Workload) -> float:
    settings = load.home()
    took = seconds(lambda: _build(settings))
    remove(settings.home)
    return took


def _on_s3(load: Workload) -> float:
    with stored_home(load) as home:
        home.land(load.files)
        return seconds(lambda: _build(home.settings))


def _build(settings: Settings) -> None:
    run_process(settings, _BUILD)


def _built(home: StoredHome, files: list[Path]) -> tuple[Counter[Request], Counter[str]]:
    """The requests of a process that builds what lands, and each table's partitions it built."""
    home.land(files)
    before, landed = _published(home.settings), len(home.log())
    _build(home.settings)
    requests = counted(home.log()[landed:], declared().tables)
    built = [table for table, *_ in _published(home.settings) - before]
    return requests, Counter(
        {str(table.id): built.count(str(table.id)) for table in declared().tables}
    )


def _published(settings: Settings) -> set[tuple[str, str, str]]:
    """Table, partition and attempt, by the register: it is no file of the store's."""
    register = Platform(settings).builds
    return {
        (str(table.id), key, build.attempt)
        for table in declared().tables
        for key, build in register.latest(table.id).items()
        if build.state == "published"
    }


def _by_table(requests: Counter[Request]) -> Counter[str]:
    found: Counter[str] = Counter()
    for request, count in requests.items():
        found[request.table] += count
    return found


def _page(
    year: Counter[Request],
    partitions: Counter[str],
    day: Counter[Request],
    day_partitions: Counter[str],
) -> str:
    lines = [_INTRO]
    for table, built in partitions.items():
        total, of_day = (_by_table(counts)[table] for counts in (year, day))
        lines += [
            f"\n## {table}\n",
            f"{total / built:.1f} for each of {built} partitions; a day's run {of_day} for "
            f"{day_partitions[table]}.\n",
            "| files | what for | client | operation | status | a partition | a day's run |",
            "|---|---|---|---|---|---|---|",
        ]
        for one in sorted(r for r in year | day if r.table == table):
            lines.append(
                f"| {one.files} | {one.purpose} | {one.client} | {one.operation} | {one.status} "
                f"| {year[one] / built:.2f} | {day[one]} |"
            )
    return "\n".join(lines) + "\n"
