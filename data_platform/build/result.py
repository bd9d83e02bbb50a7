"""What a step gives, and its publication: the lake commits it, then the ledger learns of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.writing.publish import Publication, StagedWrite, publish
from data_platform.landing.ledger.ledger import Ledger
from data_platform.quality.findings import Finding


@dataclass(frozen=True)
class Loaded:
    """What a published bronze partition holds of the landed objects: `rows` of each object version,
    by its number in the ledger, and the versions that have `moved` into or out of it."""

    rows: Mapping[int, int]
    moved: frozenset[int] = frozenset()


@dataclass(frozen=True)
class StepResult:
    """What to publish, what the checks found, what is said of each partition that they held back,
    by name, and what the ledger is to learn of each partition, once that is published."""

    write: StagedWrite
    findings: list[Finding]
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)


def publish_step(lake: Lake, builds: Builds, ledger: Ledger, result: StepResult) -> Publication:
    """Publish what a step staged, as `lake.writing.publish` does, then tell the ledger what became
    of the landed objects. A process that dies in between is made up for by `runs.arrivals.settle`.
    """
    publication = publish(lake, builds, result.write)
    if result.loaded:
        write = publication.write
        good = [result.loaded[key] for key in write.good if key in result.loaded]
        rows = {number: count for each in good for number, count in each.rows.items()}
        ledger.mark_loaded(rows, write.run_id, write.attempt)
        ledger.finish_moves(set(chain.from_iterable(each.moved for each in good)), write.attempt)
    return publication
