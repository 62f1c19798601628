"""Drawing of glyphs and lines on a canvas of twice the scan's pixels."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.hands import Glyph
from batch.training.look.mixture import Box, Field

INK = 255  # level of ink on a canvas
SHIFT = 4  # OpenCV's fraction bits: lines are placed to a sixteenth of a canvas pixel
UNITS = 32  # of a coordinate for each pixel of the scan: 2 canvas pixels of 16 parts
HARD_FROM = 1.5  # canvas pixels for each pixel of a bitmap; above it the edges are often made hard
CORNER_POINTS = 12  # of each round corner of a box
HARD_FRACTION = 0.7  # of the enlarged bitmaps
_HARD = [
    np.clip((np.arange(256, dtype=np.float32) - middle) * slope + 128, 0, 255).astype(np.uint8)
    for middle, slope in ((128, 3.0), (100, 4.0), (150, 4.0), (128, 2.0))
]


def scan_size(canvas: Grey) -> tuple[int, int]:
    """Return height and width of the scan that a canvas is for."""
    return canvas.shape[0] // 2, canvas.shape[1] // 2


def draw_strokes(canvas: Grey, strokes: list[Field], pen: float, closed: bool = False) -> None:
    """Draw strokes, each (points, 2) in pixels of the scan, with a pen as wide as that."""
    fixed = [(stroke * UNITS).astype(np.int32) for stroke in strokes]
    cv2.polylines(canvas, fixed, closed, INK, max(1, round(2 * pen)), cv2.LINE_8, SHIFT)


def fill_outline(canvas: Grey, outline: Field, level: int = INK) -> None:
    """Fill an outline, (points, 2) in pixels of the scan."""
    cv2.fillPoly(canvas, [(outline * UNITS).astype(np.int32)], level, cv2.LINE_8, SHIFT)


def paint(random: Random, canvas: Grey, glyph: Glyph, x: float, y: float, unit: float, pen: float) -> None:
    """Draw a glyph on a canvas.

    Args:
        random: Source of chance.
        canvas: Canvas of twice the scan's pixels; ink is light.
        glyph: Glyph to draw.
        x: Left end of the glyph in pixels of the scan.
        y: Top of the glyph in pixels of the scan.
        unit: Pixels of the scan for one unit of the glyph.
        pen: Width of the pen in pixels of the scan; bitmaps have their own.
    """
    if glyph.points is not None:
        fixed = (
            glyph.points * np.float32(unit * UNITS) + np.array((x * UNITS, y * UNITS), np.float32)
        ).astype(np.int32)
        lines = [
            fixed[a:b] if b - a > 1 else fixed[[a, a]]
            for a, b in zip(glyph.splits[:-1], glyph.splits[1:], strict=True)
        ]
        cv2.polylines(canvas, lines, False, INK, max(1, round(2 * pen)), cv2.LINE_8, SHIFT)
        return
    bitmap = glyph.bitmap
    assert bitmap is not None
    rows, columns = bitmap.shape
    turn, slant = glyph.turn
    width, height = 2 * unit * glyph.width, 2 * unit * glyph.height
    pad = 0.12 * height
    left, top = math.floor(2 * x - pad), math.floor(2 * y - pad)
    right, bottom = math.ceil(2 * x + width + pad), math.ceil(2 * y + height + pad)
    left, top = max(0, left), max(0, top)
    right, bottom = min(canvas.shape[1], right), min(canvas.shape[0], bottom)
    if right <= left or bottom <= top:
        return
    scale_x, scale_y = width / columns, height / rows
    cos, sin = math.cos(turn), math.sin(turn)
    a, b = cos * scale_x, (cos * slant - sin) * scale_y
    c, d = sin * scale_x, (sin * slant + cos) * scale_y
    middle_x, middle_y = 2 * x + width / 2 - left - 0.5, 2 * y + height / 2 - top - 0.5
    half_x, half_y = (columns - 1) / 2, (rows - 1) / 2
    matrix = np.array(
        [[a, b, middle_x - a * half_x - b * half_y], [c, d, middle_y - c * half_x - d * half_y]]
    )
    part = cv2.warpAffine(bitmap, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    if scale_y > HARD_FROM and random.random() < HARD_FRACTION:
        part = cv2.LUT(part, random.choice(_HARD))
    place = canvas[top:bottom, left:right]
    np.maximum(place, part, out=place)


def draw_box(canvas: Grey, box: Box, radius: float, pen: float) -> None:
    """Draw a box with round corners of a radius; all in pixels of the scan."""
    x0, y0, x1, y1 = box
    left, top, right, bottom = x0 + radius, y0 + radius, x1 - radius, y1 - radius
    quarter = np.linspace(0, math.pi / 2, CORNER_POINTS)
    corners = [
        np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
        for x, y, turn in (
            (right, bottom, quarter),
            (left, bottom, quarter + math.pi / 2),
            (left, top, quarter + math.pi),
            (right, top, quarter + 3 * math.pi / 2),
        )
    ]
    draw_strokes(canvas, [np.concatenate(corners).astype(np.float32)], pen, closed=True)


def draw_line(canvas: Grey, x0: float, y0: float, x1: float, y1: float, pen: float) -> None:
    """Draw a line between two places in pixels of the scan."""
    ends = (int(x0 * UNITS), int(y0 * UNITS)), (int(x1 * UNITS), int(y1 * UNITS))
    cv2.line(canvas, *ends, INK, max(1, round(2 * pen)), cv2.LINE_8, SHIFT)
