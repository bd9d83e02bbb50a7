import json

from benchmarks.measuring import Measurement, as_record
from benchmarks.results import FIGURES, PAGE, Before, as_before, before, page

FIGURE = Measurement("tick", "a tick / another", (1.0, 2.0, 3.0), 4.0, 2.0, "s")
KEPT = {
    "tick": {"taken": "2026-03-02", "machine": "m", "versions": "v", "figures": [as_record(FIGURE)]}
}


def _row(earlier: dict[str, Before]) -> list[str]:
    [row] = [line for line in page(KEPT, earlier).splitlines() if line.startswith("| a tick")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_figure_stands_beside_that_of_the_release_before() -> None:
    earlier = {FIGURE.name: Before("2026-01-01", 5.5, 11.0)}
    assert _row(earlier)[1:3] == ["5.50, 11 s (2026-01-01)", "**2.00** (1.50 to 2.50)"]


def test_a_figure_that_is_new_or_was_not_taken_again_has_none_before() -> None:
    same = {name: Before(**record) for name, record in as_before(KEPT).items()}
    assert same == {FIGURE.name: Before("2026-03-02", 2.0, 4.0)}
    assert _row(same)[1] == _row({})[1] == "-"


def test_the_page_is_that_of_the_figures() -> None:
    assert PAGE.read_text("utf-8") == page(json.loads(FIGURES.read_text("utf-8")), before())
