"""What people and neighbours leave beside a digit: a ring, a tick, a line below, half of another digit."""

from __future__ import annotations

import math

import numpy as np

from batch.records import Grey
from batch.training.look.canvas import draw_line, draw_strokes, fill_outline, paint, scan_size
from batch.training.look.drawn_digits import arc
from batch.training.look.hands import digit_glyph
from batch.training.look.mixture import Box, pick, pick_label
from batch.training.look.studio import Studio

NEIGHBOUR_SIDES = {"left": 0.36, "right": 0.36, "top": 0.14, "bottom": 0.14}  # where a neighbour reaches in


def draw_ring(studio: Studio, ink: Grey, box: Box, pen_px: float) -> None:
    """Draw a ring around the digit; one in five is a filled disc with the digit left out of it."""
    random = studio.random
    u = random.uniform
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = math.hypot(box[2] - box[0], box[3] - box[1]) / 2
    radius_x, radius_y = half * u(0.95, 1.6), half * u(0.95, 1.4)
    radius_x *= 1 if random.random() < 0.7 else u(1, 1.6)
    if random.random() < 0.85:
        height, width = scan_size(ink)
        room = min(middle_x, width - middle_x), min(middle_y, height - middle_y)
        radius_x, radius_y = (
            max(min(radius_x, room[0]), half * 0.9),
            max(min(radius_y, room[1]), half * 0.9),
        )
    random.random()  # the scenes of a seed must stay the same
    start = u(-180, 180)
    ring = arc(middle_x, middle_y, radius_x, radius_y, start, start + u(340, 385), 40)
    ring += np.float32(0.02 * half) * np.sin(np.linspace(0, u(4, 12), 40, dtype=np.float32))[:, None]
    if random.random() < 0.2:
        disc = np.zeros_like(ink)
        fill_outline(disc, ring)
        np.copyto(ink, 255 - ink, where=disc > 0)
    else:
        draw_strokes(ink, [ring], pen_px * u(0.6, 1.2))


def draw_tick(studio: Studio, ink: Grey, box: Box, unit: float, pen_px: float) -> None:
    """Draw a tick to the right or the left of the digit."""
    u = studio.random.uniform
    size = unit * u(0.15, 0.35)
    x = box[2] + unit * u(0.15, 0.5) if studio.random.random() < 0.7 else box[0] - unit * u(0.4, 0.8)
    y = box[1] + unit * u(-0.1, 0.8)
    tick = np.array(
        [(x, y + 0.6 * size), (x + 0.35 * size, y + size), (x + size * u(0.9, 1.4), y)], np.float32
    )
    draw_strokes(ink, [tick], pen_px)


def draw_neighbour(studio: Studio, ink: Grey, box: Box, unit: float, pen_px: float, hand: str) -> None:
    """Let up to nearly half of another digit reach in over an edge."""
    random = studio.random
    height, width = scan_size(ink)
    u = random.uniform
    glyph = digit_glyph(studio, pick_label(random), hand)
    size = unit * u(0.75, 1.25)
    seen = u(0.05, 0.45)
    wide, tall = size * glyph.width, size * glyph.height
    side = pick(NEIGHBOUR_SIDES, random)
    if side in ("left", "right"):
        x = seen * wide - wide if side == "left" else width - seen * wide
        y = box[1] + random.gauss(0, 0.12) * unit
        clash = x + wide > box[0] - 1 if side == "left" else x < box[2] + 1
    else:
        y = seen * tall - tall if side == "top" else height - seen * tall
        x = (box[0] + box[2]) / 2 - wide / 2 + random.gauss(0, 0.3) * unit
        clash = y + tall > box[1] - 1 if side == "top" else y < box[3] + 1
    if not clash:
        paint(random, ink, glyph, x, y, size, pen_px * u(0.8, 1.2))


def draw_underline(studio: Studio, ink: Grey, box: Box, unit: float, pen_px: float) -> None:
    """Draw one line below the digit, or two."""
    random = studio.random
    u = random.uniform
    for index in range(1 if random.random() < 0.75 else 2):
        below = box[3] + unit * (u(0.03, 0.3) + 0.1 * index)
        reach, tilt = unit * u(0.25, 0.6), random.gauss(0, 0.03) * unit
        middle = (box[0] + box[2]) / 2 + random.gauss(0, 0.06) * unit
        draw_line(ink, middle - reach, below - tilt, middle + reach, below + tilt, pen_px * u(0.5, 1.1))
