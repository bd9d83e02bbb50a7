"""Publish a step's result: the lake commits it, then the ledger is updated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from data_platform.databases.fencing import fenced, lease_of
from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.writing.publish import Publication, StagedWrite, publish
from data_platform.landing.ledger.ledger import Ledger
from data_platform.quality.findings import Finding


@dataclass(frozen=True)
class Loaded:
    """The landed objects in a published bronze partition: `rows` of each object version, by its id
    in the ledger, and the ids of versions that have `moved` into or out of it."""

    rows: Mapping[int, int]
    moved: frozenset[int] = frozenset()


@dataclass(frozen=True)
class StepResult:
    """The staged write, the findings of its checks, the metadata of each partition that they held
    back, what to record in the ledger for each partition once it is published, and how many seconds
    each phase of the step took."""

    write: StagedWrite
    findings: list[Finding]
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def publish_step(lake: Lake, builds: Builds, ledger: Ledger, result: StepResult) -> Publication:
    """Publish what a step staged with `lake.writing.publish`, then record the landed objects in the
    ledger. If the process dies in between, `runs.arrivals.settle` records them later.
    """
    publication = publish(lake, builds, result.write)
    if result.loaded:
        write = publication.write
        good = [result.loaded[key] for key in write.good if key in result.loaded]
        rows = {number: count for each in good for number, count in each.rows.items()}
        moved = set(chain.from_iterable(each.moved for each in good))
        with fenced(lease_of(write.run_id)):
            ledger.mark_loaded(rows, write.run_id, write.attempt)
            ledger.finish_moves(moved, write.attempt)
    return publication
