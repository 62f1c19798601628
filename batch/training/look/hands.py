"""The glyphs of a scene: digits, letters and signs of real and drawn hands, each one varied."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.drawn_digits import draw_digit, slash
from batch.training.look.mixture import Field
from batch.training.look.sources import BITMAPS
from batch.training.look.studio import Studio

INK_LEVEL = 50  # brighter pixels of a data set's picture are ink
SLASHED_FRACTION = 0.06  # zeros of UNIPEN that get a slash, which few of its writers wrote


@dataclass(slots=True, eq=False)
class Glyph:
    """Something written, the left top corner of its box at 0, about one unit high.

    Attributes:
        points: Points of all strokes, (n, 2) as x, y in units; None for a bitmap.
        splits: Where each stroke's points begin, and one more at the end.
        bitmap: Light ink on dark; None for strokes.
        width: Width in units.
        height: Height in units.
        turn: Turn in radians and slant of a bitmap; strokes are turned already.
    """

    points: Field | None
    splits: list[int]
    bitmap: Grey | None
    width: float
    height: float
    turn: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True, eq=False)
class Placed:
    """A glyph among others, with its size and its left top corner, in units of a digit's height."""

    glyph: Glyph
    size: float
    x: float = 0.0
    y: float = 0.0

    @property
    def wide(self) -> float:
        """Its width in units."""
        return self.size * self.glyph.width

    @property
    def tall(self) -> float:
        """Its height in units."""
        return self.size * self.glyph.height


def stroke_glyph(studio: Studio, strokes: list[Field], vary: float = 1.0) -> Glyph:
    """Make a glyph of strokes: stretched, slanted, bent and turned by `vary` times what hands differ."""
    u, gauss = studio.random.uniform, studio.random.gauss
    points = np.concatenate(strokes)
    splits = [0]
    for stroke in strokes:
        splits.append(splits[-1] + len(stroke))
    low, high = points.min(axis=0), points.max(axis=0)
    points = points - (low + high) / 2
    size = float(max(high - low)) or 1.0
    x, y = points[:, 0] / size, points[:, 1] / size
    x = x * (1 + vary * u(-0.2, 0.25)) + y * (vary * gauss(0, 0.13))
    if vary:
        x = (
            x
            + (vary * gauss(0, 0.12)) * y * y
            + (vary * gauss(0, 0.2)) * y * y * y
            + (vary * gauss(0, 0.12)) * x * y
        )
        y = y + (vary * gauss(0, 0.1)) * x * x + (vary * gauss(0, 0.12)) * y * y
    turn = vary * gauss(0, 0.07)
    cos, sin = math.cos(turn), math.sin(turn)
    out = np.empty_like(points)
    out[:, 0] = x * cos - y * sin
    out[:, 1] = x * sin + y * cos
    low, high = out.min(axis=0), out.max(axis=0)
    width, height = (high - low).tolist()
    unit = max(height, 0.55 * width, 1e-3)
    return Glyph((out - low) / unit, splits, None, max(width / unit, 0.02), max(height / unit, 0.02))


def bitmap_glyph(studio: Studio, name: str, image: Grey) -> Glyph:
    """Make a glyph of a picture of the data set `name`, stretched, turned and slanted a little."""
    random = studio.random
    if name == "swiss":
        image = cv2.bitwise_not(image)
        image = cv2.multiply(image, 255 / max(60, int(image.max())))
    image = _crop_to_ink(image)
    height, width = image.shape
    stretch = 1 + random.uniform(-0.15, 0.2)
    turn = random.gauss(0, 0.07), random.gauss(0, 0.1)
    return Glyph(None, [], image, max(0.12, width / height * stretch), 1.0, turn)


def digit_glyph(studio: Studio, label: int, hand: str, writer: int | None = None) -> Glyph:
    """Make the glyph of a digit.

    Args:
        studio: State of the renderer.
        label: Digit, 0 to 9.
        hand: A key of `mixture.HANDS`.
        writer: Writer of UNIPEN; then the digit is any that they wrote, whatever `label` says.
    """
    random, sources = studio.random, studio.sources
    if hand in BITMAPS:
        images = sources.raw[hand][label]
        if images:
            return bitmap_glyph(studio, hand, random.choice(images))
        hand = "unipen"
    if hand == "drawn":
        return stroke_glyph(studio, draw_digit(label, random), 0.7)
    index = sources.digits.pick(str(label), random)
    if writer is not None:
        index = random.choice(sources.digits.by_writer[writer])
    strokes = sources.digits.strokes_of(index)
    if label == 0 and writer is None and random.random() < SLASHED_FRACTION:
        strokes = [*strokes, _slash_through(studio, strokes)]
    return stroke_glyph(studio, strokes)


def _slash_through(studio: Studio, strokes: list[Field]) -> Field:
    """Return the slash through a zero."""
    points = np.concatenate(strokes)
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    return low + slash(1.0, studio.random) * size


def character_glyph(studio: Studio, chars: str) -> Glyph:
    """Make the glyph of one of these letters and signs."""
    others = studio.sources.others
    index = others.pick(
        studio.random.choice([char for char in chars if char in others.groups]), studio.random
    )
    return stroke_glyph(studio, others.strokes_of(index), 0.7)


def _crop_to_ink(ink: Grey) -> Grey:
    left, top, width, height = cv2.boundingRect((ink > INK_LEVEL).view(np.uint8))
    return ink[top : top + height, left : left + width] if width else ink
