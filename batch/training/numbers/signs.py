"""Signs beside digits, drawn as strokes."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np

from batch.training.look.drawn_digits import Stroke, arc, curve, line

LONG_MINUS_FRACTION = 0.4  # longer than most digits are wide


class Sign(NamedTuple):
    """A sign in a row of digits of height 1; the row begins at 0 and ends at 1, downwards.

    Attributes:
        strokes: Its strokes.
        size: The longer of its height and its width.
        top: Where it begins.
    """

    strokes: list[Stroke]
    size: float
    top: float


def draw_sign(kind: str, random: Random) -> Sign:
    """Draw a sign of a kind of `mixture.SIGNS_DRAWN`, but no character."""
    u = random.uniform
    if kind == "dot":
        size = u(0.03, 0.09)
        return Sign([_dot(size, 0, random)], size, u(0.88, 1.05))
    if kind == "colon":
        size, rise = u(0.03, 0.09), u(0.3, 0.6)
        return Sign([_dot(size, 0, random), _dot(size, rise, random)], rise, u(0.95, 1.05) - rise)
    if kind == "comma":
        size = u(0.12, 0.3)
        stroke = line((size * u(0.2, 0.7), 0), (size * u(0.3, 0.7), size * 0.4), (0, size))
        return Sign([stroke], size, u(0.8, 0.98))
    if kind == "apostrophe":
        size = u(0.12, 0.3)
        return Sign([line((size * u(0, 0.6), 0), (0, size))], size, u(-0.2, 0.05))
    if kind == "degree":
        size = u(0.15, 0.3)
        return Sign([arc(0, 0, size / 2, size * u(0.4, 0.6), -90, 270)], size, u(-0.2, 0.05))
    if kind == "bracket":
        # Lower or straighter, it would be a 1.
        size, bend = u(1.1, 1.5), u(0.16, 0.32)
        middle = 180 if random.random() < 0.5 else 0
        return Sign([arc(0, 0, size * bend * 1.5, size / 2, middle - 70, middle + 70)], size, u(-0.3, 0.0))
    if kind == "slash":
        # Shorter or more upright, it would be a 1. A long 1 stands on the line; a slash goes below it.
        size = u(1.3, 1.7)
        return Sign([line((size * u(0.33, 0.8), 0), (0, size))], size, 0.5 - size / 2 + u(-0.05, 0.1))
    if kind == "currency":
        size = u(0.9, 1.3)
        strokes = random.choice((_pound, _dollar, _euro))(random)
        return Sign([stroke * np.float32(size) for stroke in strokes], size, u(-0.2, 0.1))
    size = u(0.65, 1.5) if kind == "minus" and random.random() < LONG_MINUS_FRACTION else u(0.3, 0.65)
    strokes = [line((0, 0), (size, size * u(-0.15, 0.15)))]
    if kind == "equals":
        rise = u(0.15, 0.3)
        strokes.append(line((0, rise), (size * u(0.85, 1.1), rise + size * u(-0.1, 0.1))))
    return Sign(strokes, size, u(0.35, 0.62))


def _dot(size: float, top: float, random: Random) -> Stroke:
    u = random.uniform
    return line((0, top), (size, top + size * u(-1, 1)), (size * u(0, 1), top + size))


def _pound(random: Random) -> list[Stroke]:
    """Draw a pound sign: a stem with a hook above and a foot below, and one bar or two."""
    u = random.uniform
    stem = curve(
        (u(0.55, 0.75), u(0.1, 0.25)), (u(0.4, 0.5), 0.0), (u(0.2, 0.3), u(0.15, 0.3)), (u(0.22, 0.34), 0.6),
        (u(0.12, 0.25), u(0.85, 0.95)), (0.0, u(0.92, 1.0)),
    )  # fmt: skip
    foot = curve((0.0, u(0.9, 1.0)), (u(0.25, 0.35), u(0.9, 0.98)), (u(0.55, 0.8), u(0.9, 1.05)))
    bars = [line((u(0.0, 0.1), y), (u(0.45, 0.65), y + u(-0.08, 0.04))) for y in _bars(random)]
    return [stem, foot, *bars]


def _euro(random: Random) -> list[Stroke]:
    """Draw a euro sign: a C with two bars."""
    u = random.uniform
    width = u(0.6, 0.9)
    bow = arc(width * 0.6, 0.5, width * 0.5, 0.5, u(-60, -30), u(-320, -300))
    high = u(0.36, 0.46)
    bars = [
        line((u(-0.1, 0.05), y), (width * u(0.5, 0.8), y + u(-0.05, 0.03)))
        for y in (high, high + u(0.1, 0.2))
    ]
    return [bow, *bars]


def _dollar(random: Random) -> list[Stroke]:
    """Draw a dollar sign: an S with a stroke through it or two, or one that shows above and below only."""
    u = random.uniform
    width = u(0.45, 0.75)
    bow = curve(
        (width, u(0.2, 0.3)), (width * 0.6, u(0.1, 0.15)), (0.0, u(0.25, 0.35)), (width * 0.5, u(0.45, 0.52)),
        (width, u(0.65, 0.72)), (width * 0.5, u(0.84, 0.9)), (0.0, u(0.7, 0.8)),
    )  # fmt: skip
    lean = u(-0.1, 0.1)
    middles = (0.5,) if random.random() < 0.7 else (u(0.3, 0.4), u(0.6, 0.7))
    ends = [(width * middle + lean, width * middle - lean) for middle in middles]
    if random.random() < 0.15:
        return [bow, *(line((top, 0), (top, 0.18)) for top, _ in ends),
                *(line((foot, 0.82), (foot, 1)) for _, foot in ends)]  # fmt: skip
    return [bow, *(line((top, 0), (foot, 1)) for top, foot in ends)]


def _bars(random: Random) -> list[float]:
    """Return the heights of one bar or two."""
    high = random.uniform(0.42, 0.6)
    return [high] if random.random() < 0.7 else [high, high + random.uniform(0.1, 0.18)]
