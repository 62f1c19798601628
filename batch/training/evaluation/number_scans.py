"""Scans of numbers: two to six digits of different writers on one paper, at any distance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np

from batch.records import Grey

DIGITS_IN_A_ROW = 2, 2, 2, 3, 3, 4, 5, 6  # chosen from evenly
DIGITS_IN_A_COLUMN = 2, 2, 3
INK_LEVEL = 50  # of 255; paler pixels do not count for the box of a digit
MAX_PAD_PX = 14  # paper around a number, before it is enlarged


def draw_row(rng: np.random.Generator, digits: Grey, min_gap_px: int, max_gap_px: int) -> Grey:
    """Draw digits side by side.

    Args:
        rng: Source of randomness.
        digits: Digits to draw from, uint8 (n, height, width), white ink on black.
        min_gap_px: Smallest gap between two boxes of ink, in pixels of the digits.
        max_gap_px: Largest gap, inclusive.

    Returns:
        A grey scan, dark ink on light paper.
    """
    inks = _inks(rng, digits, int(rng.choice(DIGITS_IN_A_ROW)))
    return _on_paper(rng, _join(rng, inks, min_gap_px, max_gap_px))


def draw_column(rng: np.random.Generator, digits: Grey, min_gap_px: int, max_gap_px: int) -> Grey:
    """Draw digits one below another; see `draw_row`."""
    inks = [np.ascontiguousarray(ink.T) for ink in _inks(rng, digits, int(rng.choice(DIGITS_IN_A_COLUMN)))]
    return _on_paper(rng, np.ascontiguousarray(_join(rng, inks, min_gap_px, max_gap_px).T))


LAYOUTS: Mapping[str, Callable[[np.random.Generator, Grey], Grey]] = {
    "close": partial(draw_row, min_gap_px=0, max_gap_px=4),
    "gaps": partial(draw_row, min_gap_px=8, max_gap_px=30),
    "columns": partial(draw_column, min_gap_px=3, max_gap_px=20),
}
"""Functions that draw a number from digits, by the way in which these stand."""


def _inks(rng: np.random.Generator, digits: Grey, count: int) -> list[Grey]:
    """Return some of the digits, each cut out along its ink."""
    inks = []
    for index in rng.integers(0, len(digits), count).tolist():
        left, top, width, height = cv2.boundingRect((digits[index] > INK_LEVEL).astype(np.uint8))
        inks.append(digits[index][top : top + height, left : left + width])
    return inks


def _join(rng: np.random.Generator, inks: list[Grey], min_gap_px: int, max_gap_px: int) -> Grey:
    """Put pieces of ink side by side, their middles on one line."""
    height = max(ink.shape[0] for ink in inks)
    parts: list[Grey] = []
    for ink in inks:
        if parts:
            parts.append(np.zeros((height, int(rng.integers(min_gap_px, max_gap_px + 1))), np.uint8))
        above = (height - ink.shape[0]) // 2
        parts.append(np.pad(ink, ((above, height - ink.shape[0] - above), (0, 0))))
    return np.hstack(parts)


def _on_paper(rng: np.random.Generator, ink: Grey) -> Grey:
    """Return a scan of some ink on slightly noisy paper, one to three times as large."""
    top, bottom, left, right = rng.integers(3, MAX_PAD_PX + 1, 4).tolist()
    padded = np.pad(ink, ((top, bottom), (left, right)))
    scale = int(rng.integers(1, 4))
    large = cv2.resize(padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, rng.uniform(0, 4), large.shape)
    scan = rng.uniform(200, 255) - large * rng.uniform(0.5, 0.85) + noise
    return np.clip(scan, 0, 255).astype(np.uint8)
