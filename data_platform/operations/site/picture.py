"""The lineage picture of a table: where its boxes and arrows are. The template draws them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

MOST = 30  # boxes of a picture, the nearest
_WIDTH, _HEIGHT, _GAP, _BETWEEN, _MARGIN = 210, 46, 18, 60, 10

Inputs = Mapping[str, Collection[str]]
"""By table, the tables that it is built from."""


@dataclass(frozen=True)
class Box:
    """A table at a place."""

    table: str
    x: int
    y: int
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True)
class Picture:
    """Boxes, and for each arrow the box it comes from and the one it leads to. `left_out` are the
    tables that are too far away to be drawn."""

    boxes: Sequence[Box]
    arrows: Sequence[tuple[Box, Box]]
    left_out: Sequence[str]

    @cached_property
    def width(self) -> int:
        """Of the picture."""
        return max(box.x for box in self.boxes) + _WIDTH + _MARGIN

    @cached_property
    def height(self) -> int:
        """Of the picture."""
        return max(box.y for box in self.boxes) + _HEIGHT + _MARGIN


@dataclass(frozen=True)
class Graph:
    """Which table is built from which."""

    inputs: Inputs

    @cached_property
    def outputs(self) -> Inputs:
        """By table, those that are built from it."""
        found: dict[str, set[str]] = {}
        for table, sources in self.inputs.items():
            for source in sources:
                found.setdefault(source, set()).add(table)
        return found

    def around(self, table: str) -> Picture:
        """A table, what it is built from and what is built from it, from left to right."""
        up, down = _distances(table, self.inputs), _distances(table, self.outputs)
        far = {**{of: -n for of, n in up.items()}, **down}
        nearest = sorted(far, key=lambda of: (abs(far[of]), of))
        shown = nearest[:MOST]
        columns: dict[int, list[str]] = {}
        for of in sorted(shown):
            columns.setdefault(far[of], []).append(of)
        boxes = {box.table: box for box in _placed(columns)}
        arrows = [
            (boxes[source], boxes[made])
            for made in sorted(boxes)
            for source in sorted(self.inputs.get(made, ()))
            if source in boxes and boxes[source].x < boxes[made].x
        ]
        return Picture(list(boxes.values()), arrows, sorted(nearest[MOST:]))


def _distances(start: str, following: Inputs) -> dict[str, int]:
    """The most steps to each table that is reached: so every arrow leads to the right."""
    found, reached, steps = {start: 0}, {start}, 0
    while reached:
        steps += 1
        reached = {other for of in reached for other in following.get(of, ())}
        found |= dict.fromkeys(reached, steps)
    return found


def _placed(columns: Mapping[int, Sequence[str]]) -> Iterable[Box]:
    tallest = max(map(len, columns.values()))
    for number, column in enumerate(sorted(columns)):
        tables = columns[column]
        top = _MARGIN + (tallest - len(tables)) * (_HEIGHT + _GAP) // 2
        for row, table in enumerate(tables):
            x = _MARGIN + number * (_WIDTH + _BETWEEN)
            yield Box(table, x, top + row * (_HEIGHT + _GAP))
