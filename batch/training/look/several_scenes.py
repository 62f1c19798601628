"""Scenes of several digits, of a digit beside a letter or sign, and of fractions."""

from __future__ import annotations

import itertools
import math

import numpy as np

from batch.training.look.canvas import draw_line, paint
from batch.training.look.capture import capture
from batch.training.look.drawn_digits import line
from batch.training.look.finish import MIN_DIGIT_PX, finish
from batch.training.look.frames import Printed
from batch.training.look.hands import Glyph, Placed, character_glyph, digit_glyph, stroke_glyph
from batch.training.look.legible import Written, are_visible, canvas_to_scan
from batch.training.look.mixture import (
    HANDS,
    LETTERS_BESIDE,
    SEVERAL,
    SEVERAL_COUNTS,
    SEVERAL_HANDS,
    SEVERAL_LAYOUTS,
    SEVERAL_SCENES,
    SIGNS,
    Scene,
    pick,
    pick_extras,
    pick_pen,
    pick_size,
)
from batch.training.look.studio import Studio

ONE_WRITER_FRACTION = 0.75  # scenes in which all digits of UNIPEN are by one writer
MIXED_HANDS_FRACTION = 0.06  # scenes in which each digit is of another hand
MAX_SIDE_PX = 300  # of a scan as long as the number
MAX_SIGN_HEIGHT = 0.4  # of a minus or a bar, in heights of a digit; each digit is higher
MIN_SIDE_PX = 14  # of it; below that, no digit can be read
OTHER_LAYOUTS = {"row": 0.88, "column": 0.12}  # of a digit beside a letter or a sign
SIGNS_AFTER = "/)=-+"  # a second sign, after the first


def several_scene(studio: Studio) -> Scene:
    """Render two to six characters of which one at least is a digit, anew if a person could not see each."""
    while (scene := _scene(studio)) is None:
        pass
    return scene


def _scene(studio: Studio) -> Scene | None:
    random = studio.random
    u = random.uniform
    kind = pick(SEVERAL_SCENES, random)
    hand = pick(SEVERAL_HANDS, random)
    writer = None
    if hand == "unipen" and random.random() < ONE_WRITER_FRACTION:
        writer = random.choice(tuple(studio.sources.digits.by_writer))
    mixed = random.random() < MIXED_HANDS_FRACTION

    def digit() -> Glyph:
        source = pick(HANDS, random) if mixed else hand
        return digit_glyph(studio, random.randrange(10), source, None if mixed else writer)

    count = int(pick(SEVERAL_COUNTS, random))
    uneven = random.random() < 0.25
    if kind == "fraction":
        over, under = digit(), digit()
        return _fraction_scene(studio, over, under)
    if kind == "digits":
        glyphs = [digit() for _ in range(count)]
        row = [Placed(glyph, u(0.45, 1.1) if uneven else 1 + random.gauss(0, 0.08)) for glyph in glyphs]
    else:
        glyphs = [digit() for _ in range(1 if random.random() < 0.75 else 2)]
        row = [Placed(glyph, 1 + random.gauss(0, 0.08)) for glyph in glyphs]
        beside = character_glyph(studio, LETTERS_BESIDE if kind == "letter" else SIGNS)
        position = random.choice((0, len(row)))
        longest = max(beside.width, beside.height)
        size = u(0.65, 1.1) / max(longest, 1) * (0.6 if beside.height < 0.3 else 1)
        row.insert(position, Placed(beside, size))
        if kind == "sign" and random.random() < 0.1:
            row.append(Placed(character_glyph(studio, SIGNS_AFTER), u(0.6, 1.0)))
    layout = pick(SEVERAL_LAYOUTS, random) if kind == "digits" else pick(OTHER_LAYOUTS, random)
    _lay_out(studio, row, layout)
    return _several_scan(studio, row, layout, f"several-{kind}")


def _lay_out(studio: Studio, row: list[Placed], layout: str) -> None:
    """Give each glyph its place."""
    random = studio.random
    u = random.uniform
    choice = random.random()
    if choice < 0.25:
        gap = u(-0.06, 0.06)
    elif choice < 0.65:
        gap = u(0.05, 0.3)
    else:
        gap = u(0.3, 0.9) if choice < 0.9 else u(0.9, 2.0)
    slope = random.gauss(0, 0.04) if layout == "row" else random.choice((-1, 1)) * u(0.35, 1.6)
    x = y = 0.0
    for index, glyph in enumerate(row):
        space = max(-0.06, gap * u(0.6, 1.4))
        if layout in ("row", "diagonal"):
            jitter = random.gauss(0, 0.05) if random.random() < 0.8 else u(-0.5, 0.5)
            glyph.x, glyph.y = x, slope * x + (1 - glyph.tall) * u(0.4, 1) + jitter
            x += glyph.wide + space
        elif layout == "column":
            glyph.x, glyph.y = random.gauss(0, 0.08) - glyph.wide / 2, y
            y += glyph.tall + space + (0.03 if space < 0.03 else 0)
        else:
            _scatter(studio, glyph, row[:index], 1.2 * math.sqrt(len(row)))


def _scatter(studio: Studio, glyph: Placed, others: list[Placed], reach: float) -> None:
    """Give a glyph a place that the others leave free; after some attempts, any place."""
    u = studio.random.uniform
    for attempt in range(12):
        glyph.x, glyph.y = u(0, reach * (1 + 0.2 * attempt)), u(0, reach * (1 + 0.2 * attempt))
        if all(
            glyph.x > other.x + other.wide
            or other.x > glyph.x + glyph.wide
            or glyph.y > other.y + other.tall
            or other.y > glyph.y + glyph.tall
            for other in others
        ):
            break


def _several_scan(studio: Studio, row: list[Placed], layout: str, kind: str) -> Scene | None:
    """Put the glyphs on a scan; return None if a person could not see each."""
    random = studio.random
    u = random.uniform
    low_x, low_y = min(glyph.x for glyph in row), min(glyph.y for glyph in row)
    high_x = max(glyph.x + glyph.wide for glyph in row)
    high_y = max(glyph.y + glyph.tall for glyph in row)
    wide, tall = max(high_x - low_x, 0.2), max(high_y - low_y, 0.2)
    height, width = pick_size(random)
    if random.random() < 0.65:  # a scan as long as the number
        side, shape = max(height, width), (wide + u(0.05, 0.8)) / (tall + u(0.05, 0.8))
        side = round(side * (1.3 if max(shape, 1 / shape) > 1.6 else 1))
        side = min(side, MAX_SIDE_PX)
        height, width = (
            max(MIN_SIDE_PX, round(side / max(1, shape))),
            max(MIN_SIDE_PX, round(side * min(1, shape))),
        )
    choice = random.random()
    fill = u(0.9, 1.0) if choice < 0.2 else u(0.55, 0.95) if choice < 0.8 else u(0.25, 0.55)
    unit = fill * min(height / tall, width / wide)
    free_x, free_y = width - unit * wide, height - unit * tall
    x0, y0 = (free * min(max(random.gauss(0.5, 0.2), 0), 1) for free in (free_x, free_y))
    if random.random() < 0.15 and layout in ("row", "column"):  # an outer one is cut
        last = random.random() < 0.5
        outer = row[-1] if last else row[0]
        share = u(0.05, 0.35)
        if layout == "row":
            cut = share * unit * outer.size * outer.glyph.width
            x0 = free_x + cut if last else -cut
        else:
            cut = share * unit * outer.size * outer.glyph.height
            y0 = free_y + cut if last else -cut
    box = x0, y0, x0 + unit * wide, y0 + unit * tall
    pen, pen_share = pick_pen(random)
    extras = pick_extras(random, ("ring", "tick", "neighbour", "tile"))
    ink = np.zeros((2 * height, 2 * width), np.uint8)
    pen_px = max(0.5, pen_share * unit * max(glyph.size for glyph in row))
    written = []
    for glyph in row:
        pen_here = pen_px * (1 if random.random() < 0.85 else u(0.6, 1.3))
        x, y = x0 + unit * (glyph.x - low_x), y0 + unit * (glyph.y - low_y)
        alone = np.zeros_like(ink)
        paint(random, alone, glyph.glyph, x, y, unit * glyph.size, pen_here)
        np.maximum(ink, alone, out=ink)
        around = x, y, x + unit * glyph.wide, y + unit * glyph.tall
        written.append(Written.cut(alone, around, is_digit=glyph.tall > MAX_SIGN_HEIGHT))
    printed = Printed(studio, height, width)
    if "frame" in extras:
        printed.print_frame()
        if layout == "row" and random.random() < 0.4:  # one box a digit
            top = height * u(0, 0.6)
            for before, after in itertools.pairwise(row):
                line_x = x0 + unit * ((after.x + before.x + before.wide) / 2 - low_x)
                draw_line(printed.canvas, line_x, top, line_x, height, max(0.5, 0.012 * height))
    if "underline" in extras:
        y = y0 + unit * (tall + u(0.02, 0.3))
        draw_line(ink, x0, y, x0 + unit * wide, y + random.gauss(0, 0.03) * unit, pen_px)
    if "print" in extras:
        printed.print_type(box)
    scan = capture(studio, ink, printed, extras, pen, unit)
    scene = finish(studio, scan, extras, box, SEVERAL, kind)
    assert scene.box is not None
    canvas, place = np.maximum(ink, printed.canvas), canvas_to_scan(box, scene.box)
    if not are_visible(scene.grey, written, canvas, place, MIN_DIGIT_PX):
        return None
    return scene._replace(box=None)


def _fraction_scene(studio: Studio, over: Glyph, under: Glyph) -> Scene | None:
    """Render one digit over or beside another with a bar between them."""
    random = studio.random
    u = random.uniform
    bar = u(0.6, 1.3)
    if random.random() < 0.5:
        across = stroke_glyph(studio, [line((0, u(-0.05, 0.05)), (bar, 0))], 0.0)
        row = [
            Placed(over, 1.0, bar / 2 - over.width / 2, 0.0),
            Placed(across, bar / max(across.width, 0.1), 0.0, 1.15),
            Placed(under, 1.0, bar / 2 - under.width / 2, 1.3),
        ]
    else:
        across = stroke_glyph(studio, [line((u(0.4, 0.8), 0), (0, 1.3))], 0.0)
        beside = over.width + u(-0.1, 0.1)
        row = [
            Placed(over, 1.0, 0.0, 0.0),
            Placed(across, 1.3, beside, 0.1),
            Placed(under, 1.0, over.width + across.width * 1.3 + u(0, 0.1), u(0.3, 0.8)),
        ]
    return _several_scan(studio, row, "fraction", "several-fraction")
