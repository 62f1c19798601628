"""Ink that is no digit: scribbles, digits crossed out, shapes, fragments at an edge."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from batch.records import Grey
from batch.training.look.canvas import draw_line, draw_strokes, fill_outline, paint, scan_size
from batch.training.look.drawn_digits import curve, line
from batch.training.look.hands import Glyph, digit_glyph, stroke_glyph
from batch.training.look.mixture import Box, Field, pick_label
from batch.training.look.studio import Studio

ARROW_FRACTION = 0.4  # of the scenes with shapes
CROSSED_OUT_HANDS = ("unipen", "unipen", "mnist", "drawn")


def put(studio: Studio, ink: Grey, glyph: Glyph, unit: float, pen_px: float) -> Box:
    """Paint a glyph near the middle of the scan, and return its box."""
    random = studio.random
    height, width = scan_size(ink)
    unit = min(unit, 0.95 * height / max(glyph.height, 0.1), 0.95 * width / max(glyph.width, 0.1))
    free_x, free_y = width - unit * glyph.width, height - unit * glyph.height
    spread = 0.15 if random.random() < 0.7 else 0.3
    x, y = (free * min(max(random.gauss(0.5, spread), 0), 1) for free in (free_x, free_y))
    paint(random, ink, glyph, x, y, unit, pen_px)
    return x, y, x + unit * glyph.width, y + unit * glyph.height


def scribble(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    """Draw a tangle, a zigzag, loose strokes or a coil."""
    random = studio.random
    u, choice = random.uniform, random.random()
    if choice < 0.4:  # a tangle
        points = [(u(0, 1), u(0, 1)) for _ in range(random.randint(5, 16))]
        strokes = [curve(*points) if random.random() < 0.7 else line(*points)]
    elif choice < 0.65:  # to and fro
        count, turn = random.randint(6, 14), u(0, math.pi)
        zigzag = (
            np.array([(i / count + u(-0.04, 0.04), (i % 2) * u(0.6, 1)) for i in range(count)], np.float32)
            - 0.5
        )
        cos, sin = math.cos(turn), math.sin(turn)
        strokes = [zigzag @ np.array([[cos, sin], [-sin, cos]], np.float32)]
        if random.random() < 0.5:
            strokes = [curve(*map(tuple, strokes[0].tolist()))]
    elif choice < 0.85:  # loose strokes
        strokes = [
            line(*((u(0, 1), u(0, 1)) for _ in range(random.randint(2, 3))))
            for _ in range(random.randint(3, 8))
        ]
    else:  # a spiral or coil
        t = np.linspace(0, u(12, 40), 90, dtype=np.float32)
        drift = u(0, 0.08)
        radius = 1 if random.random() < 0.5 else t / 20
        strokes = [np.stack([np.cos(t) * radius + drift * t, np.sin(t) * radius], 1).astype(np.float32)]
    put(studio, ink, stroke_glyph(studio, strokes, 0.5), unit, pen_px)


def cross_out(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    """Draw a digit, and strokes, a cross or a scrawl over it."""
    random = studio.random
    u = random.uniform
    label = pick_label(random)
    glyph = digit_glyph(studio, label, random.choice(CROSSED_OUT_HANDS))
    box = put(studio, ink, glyph, unit, pen_px)
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach = max(box[2] - box[0], box[3] - box[1]) * u(0.45, 0.75)
    choice = random.random()
    if choice < 0.4:  # two to five strokes side by side
        count, turn = (
            random.randint(2, 5) if label else random.randint(3, 5),  # two close ones slash a zero
            u(-0.4, 0.4) if random.random() < 0.5 else random.choice((-1, 1)) * u(0.5, 1.2),
        )
        gap = reach * u(0.18, 0.4)
        for i in range(count):
            away = (i - (count - 1) / 2) * gap
            x, y = middle_x - math.sin(turn) * away, middle_y + math.cos(turn) * away
            dx, dy = math.cos(turn) * reach * u(0.85, 1.1), math.sin(turn) * reach * u(0.85, 1.1)
            draw_line(ink, x - dx, y - dy, x + dx, y + dy, pen_px)
    elif choice < 0.7:  # a cross
        for turn in (u(0.5, 1.0), -u(0.5, 1.0)):
            dx, dy = math.cos(turn) * reach * u(0.9, 1.2), math.sin(turn) * reach * u(0.9, 1.2)
            draw_line(ink, middle_x - dx, middle_y - dy, middle_x + dx, middle_y + dy, pen_px)
        if random.random() < 0.3:
            draw_line(ink, middle_x - reach, middle_y, middle_x + reach, middle_y, pen_px)
    else:  # scrawled over
        count = random.randint(6, 16)
        points = [
            (
                middle_x + reach * (2 * i / count - 1) * u(0.8, 1.1),
                middle_y + reach * (0.8 if i % 2 else -0.8) * u(0.5, 1.1),
            )
            for i in range(count)
        ]
        draw_strokes(ink, [curve(*points) if random.random() < 0.5 else line(*points)], pen_px)


def draw_shapes(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    """Draw an arrow, or one to three polygons and stars, filled or not."""
    random = studio.random
    u = random.uniform
    if random.random() < ARROW_FRACTION:
        put(studio, ink, stroke_glyph(studio, _arrow(random), 0.1), unit, pen_px)
        return
    height, width = scan_size(ink)
    for _ in range(random.randint(1, 3)):
        count = random.randint(3, 8)
        star = random.random() < 0.3
        x, y = u(0.25, 0.75) * width, u(0.25, 0.75) * height
        angles = [2 * math.pi * i / count + u(-0.3, 0.3) for i in range(count)]
        radii = [unit * (u(0.15, 0.3) if star and i % 2 else u(0.35, 0.6)) for i in range(count)]
        corners = np.array(
            [(x + r * math.cos(a), y + r * math.sin(a)) for a, r in zip(angles, radii, strict=True)]
        )
        if random.random() < 0.6:
            fill_outline(ink, corners, round(u(90, 255)))
        else:
            draw_strokes(ink, [corners], pen_px, closed=True)


def _arrow(random: Random) -> list[Field]:
    """Return the strokes of an arrow, mostly one that points up, down or to a side."""
    u = random.uniform
    turn = random.choice((-1, 0, 1, 2)) * math.pi / 2 + random.gauss(0, 0.1 if random.random() < 0.7 else 1)
    spread, head = u(0.35, 0.9), u(0.15, 0.45)
    tail = -math.cos(turn), -math.sin(turn)
    barbs = [
        (head * math.cos(turn + side), head * math.sin(turn + side))
        for side in (math.pi - spread, math.pi + spread)
    ]
    return [line(tail, (0, 0)), line(barbs[0], (0, 0), barbs[1])]


def draw_fragment(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    """Draw less than a third of one digit, or of two, at an edge."""
    random = studio.random
    height, width = scan_size(ink)
    u = random.uniform
    for _ in range(random.randint(1, 2)):
        glyph = digit_glyph(studio, pick_label(random), "unipen")
        seen = u(0.08, 0.33)
        side = random.randrange(4)
        wide, tall = unit * glyph.width, unit * glyph.height
        x, y = (width - wide) * u(0, 1), (height - tall) * u(0, 1)
        if side == 0:
            x = seen * wide - wide
        elif side == 1:
            x = width - seen * wide
        elif side == 2:
            y = seen * tall - tall
        else:
            y = height - seen * tall
        paint(random, ink, glyph, x, y, unit, pen_px)
