"""The committed results: figures as JSON, and the page generated from them."""

import json
from datetime import date
from pathlib import Path

from benchmarks.measuring import Measurement, as_record, from_record

FIGURES = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent / "RESULTS.md"
_INTRO = """# Benchmarks

Made by `make bench`. Each figure is a ratio of two measurements taken in turns on the same
machine; the median, and the quartiles in brackets. A goal is missed when the lower quartile
misses it. The baselines are scripts beside the benchmarks: `plain.py`, `unpartitioned.py`.
"""


def keep(found: list[Measurement], machine: dict[str, str]) -> None:
    """Put these measures in place of their former figures, and write the page anew."""
    kept = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    for measure in {one.measure for one in found}:
        records = [as_record(one) for one in found if one.measure == measure]
        kept[measure] = {"taken": date.today().isoformat(), **machine, "figures": records}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(kept), "utf-8")


def page(kept: dict, order: tuple[str, ...] = ()) -> str:
    lines = [
        _INTRO,
        "| measure | ratio | goal | | ours / baseline | pairs |",
        "|---|---|---|---|---|---|",
    ]
    for measure in sorted(kept, key=lambda name: order.index(name) if name in order else 0):
        for found in map(from_record, kept[measure]["figures"]):
            low, middle, high = found.quartiles
            lines.append(
                f"| {found.name} | **{middle:.2f}** ({low:.2f} to {high:.2f}) | {found.goal_text} "
                f"| {found.verdict} | {found.ours:.3g} / {found.baseline:.3g} {found.unit} "
                f"| {len(found.ratios)} |"
            )
    lines.append("\n## Notes\n")
    for measure in kept:
        notes = [f.note for f in map(from_record, kept[measure]["figures"]) if f.note]
        taken = kept[measure]["taken"]
        lines.append(f"- {measure}: taken {taken}. " + "; ".join(dict.fromkeys(notes)))
    machines = {(v["machine"], v["versions"]) for v in kept.values()}
    lines += ["\n## Machine\n", *(f"- {m}: {v}" for m, v in sorted(machines))]
    return "\n".join(lines) + "\n"
