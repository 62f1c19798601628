"""Digits drawn as strokes, in the styles that the data sets hardly have."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
import numpy.typing as npt

from batch.training.rendering import curves

Stroke = npt.NDArray[np.float32]  # points (n, 2) as x, y; a digit is about 1 high, y grows downwards


def draw_digit(label: int, random: Random) -> list[Stroke]:
    """Draw a digit in a random style."""
    return _STYLES[label](random)


def curve(*points: tuple[float, float]) -> Stroke:
    """Join points by a spline."""
    return curves.spline(line(*points), max(4, 28 // len(points)))


def line(*points: tuple[float, float]) -> Stroke:
    """Join points by straight lines."""
    return np.array(points, np.float32)


def arc(
    x: float, y: float, radius_x: float, radius_y: float, start: float, end: float, count: int = 16
) -> Stroke:
    """Draw part of an ellipse; angles are in degrees, clockwise from the right."""
    return curves.arc((x, y), (radius_x, radius_y), start, end, count, np.float32)


def _zero(random: Random) -> list[Stroke]:
    """Draw a zero: plain, begun inside, slashed, or dotted; some have corners, as in print."""
    u = random.uniform
    width, start = u(0.4, 0.95), u(-130, -40)
    sweep = u(345, 385)
    loop = arc(0, 0, 1, 1, start, start + sweep, 22)
    if random.random() < 0.1:
        loop = np.sign(loop) * np.abs(loop) ** np.float32(u(0.4, 0.7))  # a superellipse
    middle = np.array((width / 2, 0.5), np.float32)
    loop = loop * middle + middle
    style = random.random()
    strokes = [loop]
    if style < 0.15:  # begun inside
        begin = (width * u(0.3, 0.6), u(0.2, 0.45))
        strokes = [np.vstack([line(begin), loop])]
    elif style < 0.5:
        strokes.append(slash(width, random))
    elif style < 0.65:
        size = width * u(0.03, 0.15)
        strokes.append(arc(width * u(0.42, 0.58), u(0.42, 0.58), size, size * u(0.8, 1.5), 0, 400))
    return strokes


def slash(width: float, random: Random) -> Stroke:
    """Draw the slash through a zero of that width and of height 1."""
    u = random.uniform
    reach = u(0.25, 0.75)
    angle = math.radians(u(35, 75))
    x, y = math.cos(angle) * reach, math.sin(angle) * reach
    if random.random() < 0.3:
        x = -x
    x0, y0 = width / 2 + u(-0.05, 0.05), 0.5 + u(-0.05, 0.05)
    return line((x0 - x, y0 + y), (x0 + x, y0 - y))


def _one(random: Random) -> list[Stroke]:
    """Draw a one: a stem, a caret, an L, or with a flag."""
    u = random.uniform
    top, foot = (0.5 + u(-0.05, 0.05), 0.0), (0.5 + u(-0.1, 0.1), 1.0)
    middle = ((top[0] + foot[0]) / 2 + u(-0.03, 0.03), 0.5)
    style = random.random()
    if style < 0.12:
        return [curve(top, middle, foot)]
    if style < 0.45:  # a caret: the upstroke as long as the stem, or half of it
        x, y = top[0] - u(0.2, 0.6), u(0.35, 1.0)
        if random.random() < 0.6:
            return [line((x, y), top, (foot[0] + u(-0.05, 0.2), 1.0))]
        return [
            curve((x, y), ((x + top[0]) / 2 + u(-0.05, 0.05), y / 2 + u(-0.03, 0.05)), top),
            curve(top, middle, foot),
        ]
    if style < 0.6:  # like an L, or with a foot to one side
        side = u(0.2, 0.55) * (1 if random.random() < 0.8 else -1)
        strokes = [line(top, foot, (foot[0] + side, 1 + u(-0.06, 0.06)))]
        if random.random() < 0.5:
            strokes.append(line((top[0] - u(0.1, 0.35), u(0.1, 0.3)), top))
        return strokes
    length, angle = u(0.15, 0.6), math.radians(u(20, 65))
    flag = (top[0] - length * math.sin(angle), length * math.cos(angle))
    strokes = [line(flag, top), curve(top, middle, foot)]
    if random.random() < 0.5:
        half = u(0.12, 0.42)
        strokes.append(line((foot[0] - half, 1 + u(-0.03, 0.03)), (foot[0] + half, 1 + u(-0.04, 0.04))))
    return strokes


def _two(random: Random) -> list[Stroke]:
    """Draw a two with a loop or a corner at the foot."""
    u = random.uniform
    width, high = u(0.45, 0.8), u(0.2, 0.3)
    bow = arc(width * 0.5, high, width * 0.48, high, u(-200, -140), 35)
    neck = line((width * u(0.35, 0.6), 0.72))
    if random.random() < 0.55:  # a loop at the foot
        size = u(0.06, 0.16)
        foot = curve(
            (width * 0.45, 0.72), (0.12 * width, 1.0), (-size * 0.6, 1 - size * 0.6),
            (0.12 * width, 1 - 1.7 * size),
            (0.4 * width, 0.97 - size * 0.3), (width * u(1.0, 1.4), 1 + u(-0.12, 0.06)),
        )  # fmt: skip
        return [np.vstack([bow, foot])]
    base = line((0.0, 1.0), (width * u(1, 1.4), 0.98 + u(-0.06, 0.06)))
    return [np.vstack([bow, neck, base])]


def _three(random: Random) -> list[Stroke]:
    """Draw a three with a round or a flat top."""
    u = random.uniform
    width = u(0.5, 0.75)
    if random.random() < 0.45:  # a flat top
        high = u(0.32, 0.45)
        top = line((0.0, u(-0.03, 0.05)), (width, u(-0.03, 0.03)), (width * u(0.35, 0.55), high))
        return [
            np.vstack(
                [top, arc(width * 0.45, (high + 1) / 2, width * 0.52, (1 - high) / 2, -95, u(120, 170))]
            )
        ]
    upper = arc(width * 0.45, 0.25, width * 0.48, 0.25, -160, 85)
    lower = arc(width * 0.45, 0.73, width * 0.55, 0.27, -80, u(130, 170))
    return [np.vstack([upper, lower])]


def _four(random: Random) -> list[Stroke]:
    """Draw a four: like lightning, open, of one stroke, or closed."""
    u = random.uniform
    width, y = u(0.5, 0.9), u(0.5, 0.75)
    style = random.random()
    x = u(0.45, 0.85) * width
    if style < 0.3:  # like lightning
        corner = (u(-0.03, 0.03), y)
        across = line((u(0.3, 0.9) * width, 0.0), corner, (width, y - u(-0.06, 0.18)))
        return [across, line((x, y - u(0.05, 0.3)), (x - u(-0.05, 0.3), 1.0))]
    if style < 0.6:  # open, with a round or a sharp corner
        down = (u(0.0, 0.3) * width, 0.0)
        stem = line((x, u(0.0, 0.45)), (x - u(-0.05, 0.15), 1.0))
        if random.random() < 0.55:
            return [
                curve(
                    down,
                    (u(-0.04, 0.04), 0.6 * y),
                    (0.12 * width, y + u(0, 0.06)),
                    (width, y - u(-0.02, 0.2)),
                ),
                stem,
            ]
        return [line(down, (u(-0.03, 0.03), y), (width, y + u(-0.04, 0.04))), stem]
    if style < 0.8:  # one stroke, the foot round
        bend = (x - u(0.0, 0.12), 1 - u(0.0, 0.1))
        stem = curve((x, 0.0), (x + u(-0.03, 0.03), 0.6), bend, (x - u(0.1, 0.45), 1 - u(-0.02, 0.1)))
        return [line((x, 0.0), (0.0, y), (width, y + u(-0.05, 0.05))), stem]
    return [
        line((x, 0.0), (0.0, y), (width, y + u(-0.04, 0.04))),
        line((x, u(0, 0.2)), (x + u(-0.04, 0.04), 1.0)),
    ]


def _five(random: Random) -> list[Stroke]:
    """Draw a five, a third of them like a long s."""
    u = random.uniform
    width = u(0.4, 0.7)
    style = random.random()
    if style < 0.3:  # like a long s: hardly a corner
        return [
            curve(
                (width * u(0.8, 1.1), u(-0.02, 0.1)), (width * u(0.25, 0.5), u(0.0, 0.12)),
                (width * u(0.05, 0.3), 0.32),
                (width * u(0.6, 0.9), u(0.5, 0.62)), (width * u(0.5, 0.9), u(0.8, 0.95)), (0.0, u(0.92, 1.0)),
            )
        ]  # fmt: skip
    corner = (0.1 * width, u(-0.03, 0.03))
    down = (0.04, 0.42 + u(-0.06, 0.06))
    belly = arc(width * 0.42, 0.69, width * 0.55, 0.31, -75, u(120, 165))
    body = np.vstack([line(corner, down), belly])
    gap = u(0, 0.12) if random.random() < 0.4 else 0.0
    return [line((width * u(0.85, 1.3), u(-0.08, 0.05)), (corner[0] + gap, corner[1])), body]


def _six(random: Random) -> list[Stroke]:
    """Draw a six."""
    u = random.uniform
    width = u(0.4, 0.7)
    neck = curve((width * u(0.4, 1.0), 0.0), (u(0.05, 0.2) * width, u(0.3, 0.45)), (0.0, 0.7))
    return [np.vstack([neck, arc(width * 0.5, 0.72, width * 0.5, 0.28, 180, u(-200, -120))])]


def _seven(random: Random) -> list[Stroke]:
    """Draw a seven: straight or curled, half of them barred."""
    u = random.uniform
    width = u(0.45, 0.85)
    left, right = (0.1 + u(-0.05, 0.05), u(-0.04, 0.08)), (0.1 + width, u(-0.05, 0.05))
    foot = (0.1 + width * u(0.0, 0.6), 1.0)
    if random.random() < 0.35:  # the top curls
        top = curve(
            (left[0], left[1] + u(0.05, 0.2)),
            (left[0] + 0.2 * width, u(-0.05, 0.05)),
            (left[0] + 0.6 * width, u(0.02, 0.14)),
            right,
        )
    else:
        top = line(left, right)
    bend = ((right[0] + foot[0]) / 2 + u(-0.15, 0.06), 0.5)
    strokes = [np.vstack([top, curve(right, bend, foot)])]
    if random.random() < 0.25:
        strokes.append(line((left[0] + u(-0.03, 0.03), left[1] + u(0.08, 0.25)), left))
    if random.random() < 0.6:  # the bar through the stem, straight or curled
        y = u(0.38, 0.62)
        x = right[0] + (foot[0] - right[0]) * y
        half, slope = u(0.12, 0.4), u(-0.15, 0.08)
        if random.random() < 0.25:
            strokes.append(
                curve(
                    (x - half, y - slope + 0.05),
                    (x - half / 2, y - 0.05),
                    (x + half / 2, y + 0.05),
                    (x + half, y + slope - 0.05),
                )
            )
        else:
            strokes.append(line((x - half, y - slope), (x + half, y + slope)))
    return strokes


def _eight(random: Random) -> list[Stroke]:
    """Draw an eight of two rings or of one line."""
    u = random.uniform
    width, high = u(0.4, 0.65), u(0.2, 0.27)
    if random.random() < 0.3:  # two rings
        return [
            arc(width / 2 + u(-0.04, 0.04), high, width * 0.42, high, -90, 270, 20),
            arc(width / 2, (1 + 2 * high) / 2, width * 0.5, (1 - 2 * high) / 2 + u(0, 0.03), -90, 270, 20),
        ]
    open_by = u(-15, 40)
    first = arc(width / 2, high, width * 0.42, high, -60 + open_by, -270)
    lower = arc(width / 2, (1 + 2 * high) / 2, width * 0.5, (1 - 2 * high) / 2, -90, 270, 20)
    return [np.vstack([first, lower, arc(width / 2, high, width * 0.42, high, 90, -60)])]


def _nine(random: Random) -> list[Stroke]:
    """Draw a nine with a straight tail, one like a g, or a belly like a 5."""
    u = random.uniform
    width, high = u(0.4, 0.7), u(0.18, 0.3)
    loop = arc(width * 0.5, high, width * 0.5, high, u(-60, 0), -340 + u(0, 40), 20)
    style = random.random()
    if style < 0.45:
        tail = curve((width, u(0.05, high)), (width + u(-0.03, 0.03), 0.5), (width * u(0.2, 1.0), 1.0))
    elif style < 0.75:  # like a g
        tail = curve((width, 0.12), (width, 0.7), (width * 0.6, 1.0), (width * u(-0.1, 0.2), u(0.85, 0.98)))
    else:  # a belly like that of a 5
        tail = curve(
            (width, high),
            (width * 0.9, 0.5),
            (width * 1.1, 0.75),
            (width * 0.6, 1.0),
            (u(-0.05, 0.05), u(0.85, 1)),
        )
    return [loop, tail]


_STYLES: tuple[Callable[[Random], list[Stroke]], ...] = (
    _zero, _one, _two, _three, _four, _five, _six, _seven, _eight, _nine,
)  # fmt: skip
