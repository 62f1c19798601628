"""The colours of the page: text and what it stands on, light, dark and printed."""

import re

import pytest

from command import ROOT

STYLE = (ROOT / "batch" / "report" / "style.css").read_text(encoding="utf-8")
TEXT, OTHER = 4.5, 3.0  # least contrast of text, and of edges and bars: WCAG 2.2 AA
TONES = ("ok", "review", "refused", "failed")
PAIRS = [
    *(("text", ground, TEXT) for ground in ("page", "card", "hover")),
    *(("quiet", ground, TEXT) for ground in ("page", "card", "hover")),
    *((tone, ground, TEXT) for tone in TONES for ground in ("page", "card", "hover")),
    ("accent", "page", TEXT),
    ("on-accent", "accent", TEXT),
    ("card", "ok", TEXT),  # a key that is the answer
    ("edge", "card", OTHER),
    ("edge", "page", OTHER),
]
FADED = {"button:disabled", '.statuses button[aria-pressed="false"] :is(.dot, .track)', ".bars .bar"}


def colours(selector: str) -> dict[str, str]:
    """Return the colours that a rule sets, by name; those that it leaves are those of the light page."""
    light = re.search(r":root \{(.*?)\}", STYLE, re.DOTALL)
    rule = re.search(rf"{re.escape(selector)} \{{(.*?)\}}", STYLE, re.DOTALL)
    assert light and rule
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", light[1] + rule[1]))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    levels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("selector", [":root", ':root:not([data-theme="light"])', ':root[data-theme="dark"]'])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_colours_have_contrast(selector: str, ink: str, ground: str, least: float) -> None:
    known = colours(selector)
    assert contrast(known[ink], known[ground]) >= least


def test_the_two_ways_to_a_dark_page_have_the_same_colours() -> None:
    assert colours(':root:not([data-theme="light"])') == colours(':root[data-theme="dark"]')


def test_text_on_paper_has_contrast() -> None:
    printed = colours(":root, :root[data-theme]")
    for ink in ("text", "quiet", *TONES):
        assert contrast(printed[ink], printed["page"]) >= TEXT
    assert contrast("#666", colours(':root[data-theme="dark"]')["paper"]) >= TEXT  # words for a missing scan


def test_no_text_is_faded() -> None:
    rules = re.findall(r"([^{};]+)\{([^{}]*)\}", STYLE)
    faded = {selector.strip() for selector, body in rules if re.search(r"\bopacity: ?0?\.", body)}
    assert faded == FADED
