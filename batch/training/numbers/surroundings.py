"""What stands around a number on a form: cells, a neighbour, the lines above and below."""

from __future__ import annotations

import itertools

from batch.records import Grey
from batch.training.look.canvas import draw_box, draw_line, paint, scan_size
from batch.training.look.frames import pick_radius
from batch.training.look.hands import digit_glyph
from batch.training.look.mixture import Box, pick
from batch.training.look.studio import Studio
from batch.training.numbers.mixture import CELLS

ROUND_FRACTION = 0.6  # of the boxes apart: their corners are round


def draw_neighbour(studio: Studio, ink: Grey, box: Box, unit: float, pen_px: float) -> None:
    """Let a part of another digit reach in from the left or the right."""
    random = studio.random
    u = random.uniform
    glyph = digit_glyph(studio, random.randrange(10), "unipen")
    size, seen, left = unit * u(0.8, 1.2), u(0.05, 0.35), random.random() < 0.5
    wide = size * glyph.width
    _, width = scan_size(ink)
    x = seen * wide - wide if left else width - seen * wide
    if (x + wide < box[0] - 0.08 * unit) if left else (x > box[2] + 0.08 * unit):
        paint(random, ink, glyph, x, box[1] + random.gauss(0, 0.12) * unit, size, pen_px)


def draw_line_beyond(studio: Studio, ink: Grey, box: Box, unit: float, pen_px: float, above: bool) -> None:
    """Let feet of the line above or heads of the line below reach in."""
    random = studio.random
    height, width = scan_size(ink)
    u = random.uniform
    x = u(-0.5, 0.5) * unit
    seen = u(0.05, 0.4)
    while x < width:
        glyph = digit_glyph(studio, random.randrange(10), "unipen")
        size = unit * u(0.85, 1.15)
        tall = size * glyph.height
        y = seen * tall - tall if above else height - seen * tall
        clear = (y + tall < box[1] - 0.02 * unit) if above else (y > box[3] + 0.02 * unit)
        if clear:
            paint(random, ink, glyph, x, y, size, pen_px)
        x += size * glyph.width + u(0.05, 0.5) * unit
        if random.random() < 0.2:
            x += u(0, 2) * unit


def print_cells(studio: Studio, printed: Grey, edges: list[float]) -> None:
    """Print a box for each digit, or the teeth of a comb."""
    random = studio.random
    u = random.uniform
    kind = pick(CELLS, random)
    if kind == "none":
        return
    height, _ = scan_size(printed)
    pen = max(0.5, height * random.choice((0.01, 0.015, 0.025, 0.04)) * u(0.7, 1.4))
    top, bottom = height * u(-0.04, 0.12), height * u(0.88, 1.04)
    tilt = random.gauss(0, 0.006) * (edges[-1] - edges[0])
    if kind == "comb":
        top_line, tooth = random.random() < 0.15, bottom - u(0.12, 0.6) * (bottom - top)
    else:
        top_line, tooth = True, top
    if kind == "apart":
        radius = pick_radius(random, squat=False) if random.random() < ROUND_FRACTION else 0.0
        for a, b in itertools.pairwise(edges):
            inset = (b - a) * 0.05
            draw_box(printed, (a + inset, top, b - inset, bottom), radius * min(b - a, bottom - top), pen)
        return
    for index, x in enumerate(edges):
        lean = tilt * index / len(edges)
        outer = index in (0, len(edges) - 1)
        draw_line(
            printed, x, (top if outer and random.random() < 0.7 else tooth) + lean, x, bottom + lean, pen
        )
    draw_line(printed, edges[0], bottom, edges[-1], bottom + tilt, pen)
    if top_line:
        draw_line(printed, edges[0], top, edges[-1], top + tilt, pen)
