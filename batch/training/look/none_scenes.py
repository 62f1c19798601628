"""Scenes without a digit: letters, signs, scribbles, empty paper and forms, other pictures."""

from __future__ import annotations

from random import Random

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.canvas import draw_line, paint, scan_size
from batch.training.look.capture import capture
from batch.training.look.finish import finish
from batch.training.look.frames import Printed
from batch.training.look.hands import character_glyph
from batch.training.look.mixture import (
    LETTERS_BESIDE,
    LONE_SIGNS,
    NO_DIGIT_LETTERS,
    NONE,
    NONE_SCENES,
    Field,
    Scene,
    pick,
    pick_extras,
    pick_pen,
    pick_size,
)
from batch.training.look.scribbles import cross_out, draw_fragment, draw_shapes, put, scribble
from batch.training.look.studio import Studio

EMPTY = ("blank", "frame", "boxes")  # kinds without writing
MAX_BOXES_PX = 390  # width of a row of boxes; the banks of paper are hardly wider


def none_scene(studio: Studio, kind: str | None = None) -> Scene:
    """Render a scan that holds no digit.

    Args:
        studio: State of the renderer.
        kind: A kind of NONE_SCENES; None for any.
    """
    random = studio.random
    u = random.uniform
    kind = kind or pick(NONE_SCENES, random)
    height, width = pick_size(random)
    count = random.randint(2, 7)
    if kind == "boxes":
        height, width = _size_of_boxes(random, count)
    extras = pick_extras(random, ("neighbour", "tick", "ring"))
    pen, pen_share = pick_pen(random)
    if kind == "fashion" and not len(studio.sources.fashion):  # that data set is optional
        kind = "texture"
    if kind == "fashion":
        grey = _clothing(studio, height, width)
        extras &= {"jpeg", "low-resolution", "stretched", "tile"}
        return finish(studio, grey, extras, None, NONE, kind)
    if kind == "texture":
        grey = _texture(studio, height, width)
        return finish(studio, grey, extras & {"jpeg", "low-resolution", "slip"}, None, NONE, kind)
    ink = np.zeros((2 * height, 2 * width), np.uint8)
    printed = Printed(studio, height, width)
    side = min(height, width)
    unit = side * (u(0.35, 0.92) if random.random() < 0.8 else u(0.15, 0.35))
    if kind == "letters":
        unit *= u(0.4, 0.9)
    pen_px = max(0.5, pen_share * unit)
    if kind in _WRITING:
        _WRITING[kind](studio, ink, unit, pen_px)
    if kind == "frame":
        extras.add("frame")
    if kind == "boxes":
        printed.print_boxes(count)
    elif "frame" in extras:
        printed.print_frame()
    if "print" in extras:
        written = None if kind in EMPTY else (0, 0.1 * height, width, 0.9 * height)
        printed.print_type(written)
    if "underline" in extras and kind in EMPTY:
        y = u(0.2, 0.9) * height
        draw_line(ink, u(0, 0.3) * width, y, u(0.6, 1) * width, y + random.gauss(0, 0.02) * height, pen_px)
    scan = capture(studio, ink, printed, extras, pen, unit)
    return finish(studio, scan, extras, None, NONE, kind)


def _size_of_boxes(random: Random, count: int) -> tuple[int, int]:
    """Pick height and width of a scan with so many boxes in a row."""
    height = random.uniform(28, 110)
    width = height * count * random.uniform(0.55, 1.1)
    shrink = min(1.0, MAX_BOXES_PX / width)
    return max(14, round(height * shrink)), round(width * shrink)


def _write_letter(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    put(studio, ink, character_glyph(studio, NO_DIGIT_LETTERS), unit, pen_px)


def _write_sign(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    glyph = character_glyph(studio, LONE_SIGNS)
    put(studio, ink, glyph, unit * (1.0 if glyph.height > 0.7 else studio.random.uniform(0.4, 0.8)), pen_px)


def _write_letters(studio: Studio, ink: Grey, unit: float, pen_px: float) -> None:
    """Write a row of letters, as far as the scan is wide."""
    u, (height, width) = studio.random.uniform, scan_size(ink)
    x, y = u(0, 0.3) * width, (height - unit) * u(0, 1)
    for _ in range(studio.random.randint(2, 7)):
        glyph = character_glyph(studio, LETTERS_BESIDE)
        size = unit * u(0.6, 1)
        paint(studio.random, ink, glyph, x, y + unit - size * glyph.height, size, pen_px)
        x += size * (glyph.width + u(0.02, 0.2))
        if x > width:
            break


_WRITING = {
    "letter": _write_letter,
    "sign": _write_sign,
    "letters": _write_letters,
    "scribble": scribble,
    "crossed-out": cross_out,
    "shapes": draw_shapes,
    "fragment": draw_fragment,
}


def _clothing(studio: Studio, height: int, width: int) -> Field:
    """Take a picture of Fashion-MNIST as it is, or enlarged with some noise."""
    random = studio.random
    grey = random.choice(studio.sources.fashion).astype(np.float32)
    if random.random() < 0.5:
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR)
        grey = grey + studio.crop(studio.noise[0], height, width) * np.float32(abs(random.gauss(0, 6)))
    return grey


def _texture(studio: Studio, height: int, width: int) -> Field:
    """Make a picture of anything: noise, a pattern, a gradient, or shapes over each other as in photos."""
    random = studio.random
    u, choice = random.uniform, random.random()
    if choice < 0.25:
        out = 128 + studio.crop(random.choice((*studio.noise, *studio.smooth)), height, width) * np.float32(
            u(8, 70)
        )
    elif choice < 0.45:
        out = u(100, 255) - studio.crop(
            random.choice((*studio.patterns, *studio.news)), height, width
        ) * np.float32(u(60, 220))
    elif choice < 0.6:
        x, y = np.linspace(u(-1, 1), u(-1, 1), width), np.linspace(u(-1, 1), u(-1, 1), height)
        out = (128 + 100 * (x[None] * u(0, 1) + y[:, None] * u(0, 1))).astype(np.float32)
    else:  # shapes over each other, as in photos
        canvas = np.full((height, width), round(u(0, 255)), np.uint8)
        for _ in range(random.randint(2, 12)):
            if random.random() < 0.5:
                corners = np.array(
                    [(u(-0.2, 1.2) * width, u(-0.2, 1.2) * height) for _ in range(random.randint(3, 6))]
                )
                cv2.fillPoly(canvas, [corners.astype(np.int32)], round(u(0, 255)))
            else:
                axes = int(u(0.03, 0.5) * width), int(u(0.03, 0.5) * height)
                cv2.ellipse(
                    canvas,
                    (int(u(0, width)), int(u(0, height))),
                    axes,
                    u(0, 180),
                    0,
                    360,
                    round(u(0, 255)),
                    -1,
                )
        out = canvas.astype(np.float32)
        out += studio.crop(random.choice(studio.smooth), height, width) * np.float32(u(0, 30))
    if random.random() < 0.4:
        out = cv2.GaussianBlur(np.asarray(out, np.float32), (5, 5), u(0.5, 2))
    return np.asarray(out + studio.crop(studio.noise[0], height, width) * np.float32(u(0, 8)), np.float32)
