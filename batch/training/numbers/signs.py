"""Signs beside digits, drawn as strokes."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from batch.training.look.drawn_digits import Stroke, arc, line


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
    size = u(0.3, 0.65)
    strokes = [line((0, 0), (size, size * u(-0.15, 0.15)))]
    if kind == "equals":
        rise = u(0.15, 0.3)
        strokes.append(line((0, rise), (size * u(0.85, 1.1), rise + size * u(-0.1, 0.1))))
    return Sign(strokes, size, u(0.35, 0.62))


def _dot(size: float, top: float, random: Random) -> Stroke:
    u = random.uniform
    return line((0, top), (size, top + size * u(-1, 1)), (size * u(0, 1), top + size))
