"""Plots are parts of a page: titled, in its colours, with ids of their own."""

import re

import pytest

from data_platform.operations.site.plots import plot

DAYS = [f"2011-03-{day:02}" for day in range(1, 32)]
ROWS = {"rows": [float(day * 10) for day in range(31)]}


def test_a_plot_has_a_title_and_the_labels_at_both_ends() -> None:
    svg = plot("rows", "Rows published", DAYS, ROWS)

    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert '<title id="rows-title">Rows published</title>' in svg
    assert ">2011-03-01</text>" in svg and ">2011-03-31</text>" in svg


def test_its_colours_are_variables_of_the_page() -> None:
    svg = plot("rows", "Rows", DAYS, {**ROWS, "other": ROWS["rows"]})

    assert "var(--plot-1)" in svg and "var(--plot-2)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_two_plots_share_no_id_and_each_refers_to_its_own() -> None:
    ids, references = {}, {}
    for name in ("rows", "nulls"):
        svg = plot(name, name, DAYS, ROWS)
        ids[name] = set(re.findall(r'\bid="([^"]+)"', svg))
        references[name] = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    assert ids["rows"].isdisjoint(ids["nulls"])
    assert all(references[name] and references[name] <= ids[name] for name in ids)


def test_the_same_figures_are_the_same_plot() -> None:
    assert plot("rows", "Rows", DAYS, ROWS) == plot("rows", "Rows", DAYS, ROWS)


@pytest.mark.parametrize("values", [[0.0] * 31, [0.25] * 31, [0.0] * 30 + [1.0]])
def test_shares_are_told_in_percent(values: list[float]) -> None:
    assert " %</text>" in plot("nulls", "Nulls", DAYS, {"a": values}, share=True)


def test_labels_and_titles_are_no_markup() -> None:
    svg = plot("x", "<b>title", ["<i>a", "b&"], {"rows": [1.0, 2.0]})

    assert "<b>" not in svg and "<i>" not in svg
    assert "&lt;b&gt;title" in svg and "&lt;i&gt;a" in svg
