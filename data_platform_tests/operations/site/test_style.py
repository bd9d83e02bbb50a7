"""The colours can be read, in light and in dark."""

import re
from importlib.resources import files
from itertools import product

import pytest

STYLE = files("data_platform.operations.site").joinpath("templates/style.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)
ON_PAGES = tuple(product(("--text", "--muted", "--link"), ("--page", "--surface")))
BADGES = tuple((f"--{name}", f"--{name}-back") for name in ("good", "due", "bad"))
LINES = tuple((f"--plot-{number}", "--page") for number in range(1, 5))
TEXT, GRAPHICS = 4.5, 3.0  # WCAG 2.2, level AA


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG defines it, from 1 to 21."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_black_on_white_has_the_highest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_lines_and_focus_can_be_told_from_what_is_behind(colours: dict[str, str]) -> None:
    least = {pair: TEXT for pair in (*ON_PAGES, *BADGES)} | {pair: GRAPHICS for pair in LINES}
    least |= {("--focus", "--page"): GRAPHICS, ("--focus", "--surface"): GRAPHICS}

    low = {p for p, wanted in least.items() if contrast(*(colours[n] for n in p)) < wanted}
    assert not low


def test_dark_has_every_colour_of_light() -> None:
    assert LIGHT.keys() == DARK.keys() and LIGHT
