"""The input of a model that sees the digit, made from the ink.

It is in MNIST's own form: the ink's box scaled into 20x20 pixels keeping its aspect, anti-aliased, its
centre of mass in the middle of 28x28 (LeCun et al., "Gradient-based learning applied to document
recognition", 1998).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import NEIGHBOURS, histogram, quantile
from batch.preprocessing.ink import Ink
from batch.records import Grey

DIGIT_PX = 28  # side of the model's input; MNIST's


class NormaliseConstants(NamedTuple):
    """Numbers of the input.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        box_px: Longer side of the digit. MNIST's.
        level_quantile: Quantile of the digit's contrast that becomes white.
        min_level_counted: Level above which pixels of the shrunk digit count for that quantile. Below lie the
            soft edges that shrinking makes.
        thin_stroke_px: Stroke width up to which thinner strokes are thickened. The table in
            `docs/robustness.md` shows no gain.
    """

    box_px: int = 20
    level_quantile: float = 0.75
    min_level_counted: int = 60
    thin_stroke_px: float = 1.7


NORMALISE = NormaliseConstants()


def normalise(ink: Ink) -> npt.NDArray[np.uint8]:
    """Bring the ink into the form of the model's input.

    Args:
        ink: Ink that is not blank.

    Returns:
        uint8 (28, 28, 1), ink bright on black.
    """
    top, left, bottom, right = ink.box
    inside = slice(top, bottom), slice(left, right)
    mask = ink.mask[inside]
    # One pixel more than the mask: the soft edge of a stroke belongs to it.
    contrast = cv2.bitwise_and(ink.contrast_map[inside], cv2.dilate(mask, NEIGHBOURS))
    height, width = contrast.shape
    level = quantile(histogram(contrast, mask), NORMALISE.level_quantile)
    scale = NORMALISE.box_px / max(height, width)
    body = _stretch(contrast.astype(np.float32), level)
    ink_px = cv2.countNonZero(mask)
    # Half of the outline's pixels count once for each side of a stroke.
    inner = cv2.erode(mask, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    stroke_px = 2.0 * ink_px / max(1.0, ink_px - cv2.countNonZero(inner)) * scale
    if stroke_px < NORMALISE.thin_stroke_px:
        reach = int(np.ceil((NORMALISE.thin_stroke_px - stroke_px) / scale)) | 1
        if reach > 1:
            body = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    if scale != 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        body = cv2.resize(body, size, interpolation=how)
        if scale > 1:
            body = np.clip(body, 0.0, 255.0)  # the cubic overshoots
        else:
            counts = histogram(body)
            counts[: NORMALISE.min_level_counted + 1] = 0
            body = _stretch(body, quantile(counts, NORMALISE.level_quantile))
    return _centre(body)[..., None]


def _stretch(contrast: npt.NDArray[np.float32], level: float) -> npt.NDArray[np.float32]:
    """Scale a contrast so that the level becomes 255, and cut off what is above."""
    contrast = contrast * (255.0 / max(level, 1.0))
    return cv2.threshold(contrast, 255.0, 0.0, cv2.THRESH_TRUNC)[1]


def _centre(body: npt.NDArray[np.float32]) -> Grey:
    """Place the digit so that its centre of mass is in the middle, as far as it stays inside."""
    height, width = body.shape
    moments = cv2.moments(body)
    mass = max(moments["m00"], 1e-6)
    x = round(DIGIT_PX / 2 - moments["m10"] / mass)
    y = round(DIGIT_PX / 2 - moments["m01"] / mass)
    x = min(max(x, 0), DIGIT_PX - width)
    y = min(max(y, 0), DIGIT_PX - height)
    digit = np.zeros((DIGIT_PX, DIGIT_PX), np.uint8)
    digit[y : y + height, x : x + width] = np.rint(body)
    return digit
