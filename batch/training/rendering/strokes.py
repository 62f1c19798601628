"""Digits drawn as strokes, in the styles that MNIST hardly has.

A network that saw only MNIST misreads a European 1 with an upstroke as long as half its stem, a 1 with a
foot, a barred 7, an open 4 and a flat-topped 3. Every digit has at least one style here. So a network cannot
learn that a drawn digit is one of a few.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.rendering import curves

Stroke = npt.NDArray[np.float64]
"""Points of a stroke, float64 (n, 2) as x, y. A digit is about 1 high, and y grows downwards."""

SIZE_PX = 64
EXTENT_FRACTION = 0.72  # of the picture that the drawing fills; the rest is a margin for wide pens
SUBPIXEL_BITS = 4  # points are placed to a sixteenth of a pixel


def draw(label: int, rng: np.random.Generator) -> Grey:
    """Draw a digit in a random style and pen.

    Args:
        label: The digit, 0 to 9.
        rng: Source of every choice.

    Returns:
        The drawing, uint8 (64, 64), white ink on black.
    """
    return paint(_STYLES[label](rng), rng)


def paint(strokes: Sequence[Stroke], rng: np.random.Generator) -> Grey:
    """Draw strokes with one pen, scaled to fill the middle of the picture.

    Args:
        strokes: At least one stroke of two or more points. A curve joins more than two.
        rng: Source of the pen's width and of its tremor.

    Returns:
        The drawing, uint8 (64, 64), white ink on black, anti-aliased.
    """
    picture = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    pen_px = max(1, round(rng.uniform(1.6, 5.5) if rng.random() < 0.85 else rng.uniform(5.5, 10.0)))
    joined = [curve(stroke) if len(stroke) > 2 else stroke for stroke in strokes]
    points = np.vstack(joined)
    origin, extent = points.min(axis=0), np.ptp(points, axis=0)
    scale = SIZE_PX * EXTENT_FRACTION / max(float(extent.max()), 1e-3)
    offset = (SIZE_PX - extent * scale) / 2
    for line in joined:
        placed = (line - origin) * scale + offset
        if len(placed) < 6:
            placed = placed + rng.normal(0, 0.35, placed.shape)
        fixed = np.round(placed * 2**SUBPIXEL_BITS).astype(np.int32)
        cv2.polylines(picture, [fixed], False, 255, pen_px, cv2.LINE_AA, SUBPIXEL_BITS)
    return picture


def curve(points: Stroke, steps: int = 40) -> Stroke:
    """Return a spline through points.

    Args:
        points: Points to pass through, (n, 2), n at least 2.
        steps: About how many points to return.
    """
    return curves.spline(points, max(4, steps // (len(points) - 1)))


def arc(x: float, y: float, radius_x: float, radius_y: float, start: float, end: float) -> Stroke:
    """Return a part of an ellipse. Angles are in degrees, clockwise from the right."""
    return curves.arc((x, y), (radius_x, radius_y), start, end, 14, np.float64)


def _line(*points: tuple[float, float]) -> Stroke:
    return np.array(points, np.float64)


def _jitter(rng: np.random.Generator, deviation: float = 0.03) -> float:
    return float(rng.normal(0, deviation))


def _zero(rng: np.random.Generator) -> list[Stroke]:
    width, start = rng.uniform(0.4, 0.8), rng.uniform(-130, -50)
    return [arc(width / 2, 0.5, width / 2, 0.5, start, start + rng.uniform(345, 385))]


def _one(rng: np.random.Generator) -> list[Stroke]:
    bare, flagged, footed = 0, 1, 2  # style 3 has a foot, and perhaps a flag
    style = int(rng.choice(4, p=[0.12, 0.5, 0.18, 0.2]))
    top, foot = (0.5 + _jitter(rng), 0.0), (0.5 + _jitter(rng, 0.04), 1.0)
    middle = ((top[0] + foot[0]) / 2 + _jitter(rng, 0.02), 0.5)
    strokes = []
    if style in (flagged, footed) or (style != bare and rng.random() < 0.7):
        length = rng.uniform(0.2, 0.5) if style == footed else rng.uniform(0.12, 0.75)
        angle = np.radians(rng.uniform(20, 65))
        x, y = top[0] - length * np.sin(angle), top[1] + length * np.cos(angle)
        if style == flagged and rng.random() < 0.35:  # a long flag makes an inverted V
            x, y = top[0] - rng.uniform(0.25, 0.5), rng.uniform(0.3, 0.85)
        if rng.random() < 0.5:  # the pen is not lifted
            bend = ((x + top[0]) / 2 + _jitter(rng), (y + top[1]) / 2 + _jitter(rng))
            strokes.append(_line((x, y), bend, top, middle, foot))
        else:
            strokes += [_line((x, y), top), _line(top, middle, foot)]
    else:
        strokes.append(_line(top, middle, foot))
    if style not in (bare, flagged):
        half = rng.uniform(0.12, 0.42)
        left = (foot[0] - half * rng.uniform(0.7, 1.2), 1 + _jitter(rng, 0.02))
        right = (foot[0] + half * rng.uniform(0.7, 1.2), 1 + _jitter(rng))
        strokes.append(_line(left, right))
    return strokes


def _two(rng: np.random.Generator) -> list[Stroke]:
    width, high = rng.uniform(0.45, 0.75), rng.uniform(0.2, 0.28)
    bow = arc(width * 0.5, high, width * 0.48, high, rng.uniform(-200, -140), 30)
    neck = _line((width * rng.uniform(0.4, 0.6), 0.7), (0.0, 1 + _jitter(rng, 0.02)))
    if rng.random() < 0.6:
        base = _line((0.0, 1.0), (width, 0.98 + _jitter(rng)))
    else:
        base = _line((0.0, 1.0), (width * 0.4, 0.9), (width * rng.uniform(1.0, 1.5), 0.97))
    return [np.vstack([bow, neck]), base]


def _three(rng: np.random.Generator) -> list[Stroke]:
    width = rng.uniform(0.5, 0.75)
    if rng.random() < 0.35:
        top = _line((0.0, _jitter(rng)), (width, _jitter(rng)))
        diagonal = _line((width, 0.0), (width * 0.45, 0.4 + _jitter(rng)))
        return [top, diagonal, arc(width * 0.45, 0.69, width * 0.5, 0.3, -95, 150)]
    upper = arc(width * 0.45, 0.25, width * 0.48, 0.25, -160, 85)
    lower = arc(width * 0.45, 0.73, width * 0.55, 0.27, -80, 155)
    return [np.vstack([upper, lower])]


def _four(rng: np.random.Generator) -> list[Stroke]:
    width, y = rng.uniform(0.55, 0.85), rng.uniform(0.5, 0.72)
    style = rng.random()
    if style < 0.3:  # like lightning, with a slanting stroke and a short stem through the bar
        corner = (_jitter(rng), y)
        down = _line((rng.uniform(0.3, 0.9) * width, 0.0), corner)
        x = rng.uniform(0.4, 0.8) * width
        across = _line(corner, (width, y - rng.uniform(-0.06, 0.18)))
        if rng.random() < 0.4:  # round the corner
            across = _line(
                corner, (0.4 * width, y + rng.uniform(0.02, 0.1)), (width, y - rng.uniform(0, 0.15))
            )
        stem = _line((x + _jitter(rng), y - rng.uniform(0.05, 0.3)), (x - rng.uniform(-0.05, 0.3), 1.0))
        return [down, across, stem]
    if style < 0.7:  # open
        x = rng.uniform(0.5, 0.75) * width
        corner = (_jitter(rng), y)
        down = _line((rng.uniform(0.05, 0.3) * width, 0.0), corner)
        across = _line(corner, (width, y + _jitter(rng, 0.04)))
        stem = _line((x, rng.uniform(0.0, 0.45)), (x - rng.uniform(-0.05, 0.12), 1.0))
        return [down, across, stem]
    x = rng.uniform(0.6, 0.8) * width
    return [
        _line((x, 0.0), (0.0, y)),
        _line((0.0, y), (width, y + _jitter(rng))),
        _line((x, 0.0), (x + _jitter(rng), 1.0)),
    ]


def _five(rng: np.random.Generator) -> list[Stroke]:
    width = rng.uniform(0.45, 0.7)
    corner = (0.1 * width, _jitter(rng))
    top = _line((width * rng.uniform(0.85, 1.1), _jitter(rng, 0.04)), corner)
    down = _line(corner, (0.04, 0.42 + _jitter(rng)))
    belly = np.vstack([_line((0.04, 0.42)), arc(width * 0.42, 0.69, width * 0.55, 0.31, -75, 150)])
    return [top, down, belly]


def _six(rng: np.random.Generator) -> list[Stroke]:
    width = rng.uniform(0.45, 0.7)
    neck = _line((width * rng.uniform(0.5, 0.95), 0.0), (0.12 * width, 0.38), (0.0, 0.7))
    return [np.vstack([neck, arc(width * 0.5, 0.72, width * 0.5, 0.28, 180, -175)])]


def _seven(rng: np.random.Generator) -> list[Stroke]:
    width = rng.uniform(0.5, 0.8)
    left, right = (0.1 + _jitter(rng), _jitter(rng, 0.04)), (0.1 + width, _jitter(rng, 0.05))
    foot = (0.1 + width * rng.uniform(0.05, 0.6), 1.0)
    bend = ((right[0] + foot[0]) / 2 + rng.uniform(-0.12, 0.06), 0.5)
    top = _line(left, ((left[0] + right[0]) / 2, _jitter(rng) + 0.01), right)
    strokes = [top, _line(right, bend, foot)]
    if rng.random() < 0.3:  # a serif hangs from the left end
        strokes.append(_line((left[0] + _jitter(rng, 0.02), left[1] + rng.uniform(0.08, 0.25)), left))
    if rng.random() < 0.55:  # the bar through the stem
        y = rng.uniform(0.4, 0.6)
        x = right[0] + (foot[0] - right[0]) * y
        half, slope = rng.uniform(0.12, 0.32), rng.uniform(-0.12, 0.06)
        strokes.append(_line((x - half, y - slope), (x + half, y + slope)))
    return strokes


def _eight(rng: np.random.Generator) -> list[Stroke]:
    width = rng.uniform(0.45, 0.65)
    first = arc(width / 2, 0.24, width * 0.42, 0.24, -60, -270)
    lower = arc(width / 2, 0.73, width * 0.5, 0.27, -90, 270)
    last = arc(width / 2, 0.24, width * 0.42, 0.24, 90, -60)
    return [np.vstack([first, lower, last])]


def _nine(rng: np.random.Generator) -> list[Stroke]:
    width, high = rng.uniform(0.5, 0.7), rng.uniform(0.18, 0.29)
    # A loop that need not close.
    loop = arc(width * 0.5, high, width * 0.5, high, rng.uniform(-60, 0), -340 + abs(_jitter(rng, 25)))
    style = rng.random()
    if style < 0.5:
        knee = (width + _jitter(rng, 0.02), 0.5)
        tail = _line((width, 0.12 + _jitter(rng)), knee, (width * rng.uniform(0.3, 1.0), 1.0))
    elif style < 0.8:
        tail = _line((width, 0.12), (width, 0.7), (width * 0.6, 1.0), (width * 0.1, 0.93))
    else:  # a belly like that of a 5
        end = (_jitter(rng), 1 - rng.uniform(0.02, 0.15))
        tail = _line((width, high), (width * 0.9, 0.5), (width * 1.1, 0.75), (width * 0.6, 1.0), end)
    return [loop, tail]


_STYLES = (_zero, _one, _two, _three, _four, _five, _six, _seven, _eight, _nine)
