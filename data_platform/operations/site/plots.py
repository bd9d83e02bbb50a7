"""Plots as inline SVG in the colours of the page, which change between light and dark."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

_SIZE = (7.2, 1.9)  # inches; the page scales it
_MOST_TICKS = 5
# matplotlib knows no variables of CSS: each colour stands for one, and is replaced in the SVG.
_LINES = {
    "#000001": "--plot-1",
    "#000002": "--plot-2",
    "#000003": "--plot-3",
    "#000004": "--plot-4",
}
_TEXT, _GRID = "#000005", "#000006"
_VARIABLES = {**_LINES, _TEXT: "--muted", _GRID: "--line"}
MOST_LINES = len(_LINES)
_OPTIONS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "site", "path.simplify": True}
_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # none


def plot(
    name: str,
    title: str,
    labels: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    *,
    share: bool = False,
) -> Markup:
    """The lines over the labels, with a title that is read aloud; `name` is unique in its page. A
    single line is filled. `share`: the values are parts of 1."""
    import matplotlib  # takes half a second
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with matplotlib.rc_context(_OPTIONS):
        figure = Figure(figsize=_SIZE, facecolor="none")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.set_facecolor("none")
        edges = [number - 0.5 for number in range(len(labels) + 1)]
        filled = len(lines) == 1
        for colour, values in zip(_LINES, lines.values(), strict=False):
            base = 0 if filled else None
            axes.stairs(values, edges, fill=filled, baseline=base, color=colour, linewidth=1.6)
        highest = max((value for values in lines.values() for value in values), default=0)
        axes.set_ylim(0, highest * 1.05 or 1)
        axes.set_xlim(edges[0], edges[-1])
        ticks = _ticks(len(labels))
        axes.set_xticks(ticks, [_short(labels[tick]) for tick in ticks])
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=not share))
        axes.yaxis.set_major_formatter(FuncFormatter(_percent if share else _count))
        axes.tick_params(colors=_GRID, labelcolor=_TEXT, labelsize=9, length=3)
        axes.grid(axis="y", color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(_GRID)
        if len(ticks) > 1:
            axes.get_xticklabels()[-1].set_horizontalalignment("right")
        figure.subplots_adjust(left=0.1, right=0.985, top=0.95, bottom=0.16)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata=_METADATA)
    return _inline(stream.getvalue(), name, title)


def _ticks(count: int) -> list[int]:
    if count <= _MOST_TICKS:
        return list(range(count))
    return [round(number * (count - 1) / (_MOST_TICKS - 1)) for number in range(_MOST_TICKS)]


def _short(label: str) -> str:
    return label if len(label) <= 16 else label[:15] + "…"


def _count(value: float, _: int) -> str:
    for size, unit in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _percent(value: float, _: int) -> str:
    return f"{value * 100:.3g} %"


def _inline(svg: str, name: str, title: str) -> Markup:
    """The SVG as a part of a page: with ids of its own, the page's font and colours, a title."""
    body = svg[svg.index("<svg") :]
    view = re.search(r'viewBox="[^"]*"', body)
    assert view  # matplotlib writes one
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.S)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    body = re.sub(r"\s*\n\s*", " ", body)
    label = f'role="img" aria-labelledby="{name}-title"'
    opening = (
        f'<svg class="plot" {view[0]} {label}><title id="{name}-title">{escape(title)}</title>'
    )
    return Markup(opening + body.strip())  # matplotlib escapes the labels
