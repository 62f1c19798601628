"""The model's input, made from the ink: the views that a model can ask for.

The boxed view is in MNIST's own form: the ink's box scaled into 20x20 pixels keeping its aspect,
anti-aliased, its centre of mass in the middle of 28x28 (LeCun et al., "Gradient-based learning applied to
document recognition", 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import NEIGHBOURS, histogram, quantile
from batch.preprocessing.ink import Ink
from batch.records import VIEW_CHANNELS, Grey, PreprocessSpec

DIGIT_PX = 28  # side of the model's input; MNIST's
CONTEXT_PX = 2 * DIGIT_PX  # side of the context view, which lies in four channels of the input


@dataclass(frozen=True, slots=True)
class ViewConstants:
    """Numbers of the views.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        box_px: Longer side of the digit in the boxed view. MNIST's.
        level_quantile: Quantile of the digit's contrast that becomes white.
        min_level_counted: Level above which pixels of the shrunk digit count for that quantile. Below lie the
            soft edges that shrinking makes.
        thin_stroke_px: Stroke width in the boxed view up to which thinner strokes are thickened. The table in
            `docs/robustness.md` shows no gain.
        context_extents: Widest surroundings shown in the context view, in extents of the digit.
        min_context_px: Side of these surroundings at least, in pixels of the working size.
        context_level: Part of the ink's contrast that becomes white in the context view.
    """

    box_px: int = 20
    level_quantile: float = 0.75
    min_level_counted: int = 60
    thin_stroke_px: float = 1.7
    context_extents: float = 2.5
    min_context_px: int = 4
    context_level: float = 0.8


VIEWS = ViewConstants()


def normalise(ink: Ink, spec: PreprocessSpec) -> npt.NDArray[np.uint8]:
    """Bring the ink into the form of the model's input.

    Args:
        ink: Ink that is not blank.
        spec: Names the views.

    Returns:
        uint8 (28, 28, channels), ink bright on black. `boxed` is one channel, the digit alone in MNIST's
        form. `context` is the digit with what is around it, nothing taken out, 56x56 pixels in four channels:
        those in even rows and columns, in even rows and odd columns, and so on.
    """
    digit = np.empty((DIGIT_PX, DIGIT_PX, spec.channels), np.uint8)
    channel = 0
    for view in spec.views:
        for plane in _MAKE_VIEW[view](ink):
            digit[..., channel] = plane
            channel += 1
    return digit


def pictures(digit: npt.NDArray[np.uint8], spec: PreprocessSpec) -> dict[str, Grey]:
    """Return the views in a model's input as pictures, by name."""
    views, start = {}, 0
    for view in spec.views:
        part = digit[..., start : start + VIEW_CHANNELS[view]]
        start += VIEW_CHANNELS[view]
        if part.shape[2] == 4:
            part = part.reshape(DIGIT_PX, DIGIT_PX, 2, 2).transpose(0, 2, 1, 3)
        side = part.shape[0] if part.ndim == 3 else CONTEXT_PX
        views[view] = np.ascontiguousarray(part).reshape(side, side)
    return views


def _boxed(ink: Ink) -> list[Grey]:
    top, left, bottom, right = ink.box
    inside = slice(top, bottom), slice(left, right)
    mask = ink.mask[inside]
    # One pixel more than the mask: the soft edge of a stroke belongs to it.
    contrast = cv2.bitwise_and(ink.contrast_map[inside], cv2.dilate(mask, NEIGHBOURS))
    height, width = contrast.shape
    level = quantile(histogram(contrast, mask), VIEWS.level_quantile)
    scale = VIEWS.box_px / max(height, width)
    body = _stretch(contrast.astype(np.float32), level)
    ink_px = cv2.countNonZero(mask)
    # Half of the outline's pixels count once for each side of a stroke.
    inner = cv2.erode(mask, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    stroke_px = 2.0 * ink_px / max(1.0, ink_px - cv2.countNonZero(inner)) * scale
    if stroke_px < VIEWS.thin_stroke_px:
        reach = int(np.ceil((VIEWS.thin_stroke_px - stroke_px) / scale)) | 1
        if reach > 1:
            body = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    if scale != 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        body = cv2.resize(body, size, interpolation=how)
        if scale > 1:
            body = np.clip(body, 0.0, 255.0)  # the cubic overshoots
        else:
            counts = cv2.calcHist([body], [0], None, [256], [0, 256]).ravel()
            counts[: VIEWS.min_level_counted + 1] = 0
            body = _stretch(body, quantile(counts, VIEWS.level_quantile))
    return [_centre(body)]


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


def _context(ink: Ink) -> list[Grey]:
    height, width = ink.contrast_map.shape
    top, left, bottom, right = ink.box
    side = min(max(height, width), round(VIEWS.context_extents * max(bottom - top, right - left)))
    side = max(VIEWS.min_context_px, side)
    x = _window_start((left + right) / 2, side, width)
    y = _window_start((top + bottom) / 2, side, height)
    square = ink.contrast_map[max(0, y) : y + side, max(0, x) : x + side]
    if square.shape != (side, side):
        above, before = max(0, -y), max(0, -x)
        below, after = side - above - square.shape[0], side - before - square.shape[1]
        square = cv2.copyMakeBorder(square, above, below, before, after, cv2.BORDER_CONSTANT)
    how = cv2.INTER_AREA if side > CONTEXT_PX else cv2.INTER_LINEAR
    view = cv2.resize(square.astype(np.float32), (CONTEXT_PX, CONTEXT_PX), interpolation=how)
    stretched = cv2.convertScaleAbs(view, alpha=255.0 / max(VIEWS.context_level * ink.contrast, 1.0))
    return [stretched[row::2, column::2] for row in (0, 1) for column in (0, 1)]


def _window_start(middle: float, side: int, length: int) -> int:
    """Return the first pixel of a window: inside the image where it fits, else centred on the image."""
    if side >= length:
        return -((side - length) // 2)
    return int(min(max(0, middle - side / 2), length - side))


_MAKE_VIEW = {"boxed": _boxed, "context": _context}
