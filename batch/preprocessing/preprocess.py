"""From a grey scan to the model's input: background, polarity, ink, lines; crop, fit, centre of mass.

Every function is pure. `find_ink` looks for the digit in the scan, `normalise` brings it into MNIST's
own form: the ink's box scaled into 20x20 pixels keeping its aspect, anti-aliased, its centre of mass in
the middle of 28x28 (LeCun et al., "Gradient-based learning applied to document recognition", 1998).
The background and the polarity are settled first and the box last: boxing a scan that still has its
background ruins it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.contrast import (
    binarise,
    contrast_of,
    estimate_background,
    histogram,
    mask_out_lines,
    noise_floor,
    quantile,
    smoothed,
)
from batch.preprocessing.lines import Mask, find_lines, repair_strokes
from batch.preprocessing.polarity import FLAT_LEVELS, even_rim, polarity_vote
from batch.preprocessing.resize import MIN_WORK_PX, resized
from batch.records import VIEW_CHANNELS, Grey, Polarity, PreprocessSpec

DIGIT_PX = 28
CONTEXT_PX = 2 * DIGIT_PX  # side of the context view
BOX_PX = 20
WORK_PX = 112  # longer side at which ink is looked for: strokes stay wider than a pixel
ZOOM_FRACTION = 0.45  # a digit smaller than this part of a reduced scan is looked at again, nearer
CONTEXT_FRACTION = 2.5  # widest surroundings shown in the context view, in heights of the digit
THIN_STROKE_PX = 1.7  # strokes thinner than this in the 20x20 box are thickened to it
LINE_FRACTION = 0.5  # a piece of which more may be printed lines is one
LINE_APPEAL = 0.05  # of such a piece, against others
MAX_PEELS = 3  # kinds of printed lines, the darkest first
SMALL_PX = 40  # below this a window wider than a stroke may not fit
CLEAN_FLOOR = 20  # ink on a clean ground: all that compression does not blur
GROUND_FRACTION = 0.2  # of a small scan that is clean ground, at least
UNSURE_VOTE = 0.4  # a vote on the polarity that is nearer to 0 needs another
CRISP_WEIGHT = 1.5  # of that one: on rendered scans with unsure votes, fewest go wrong
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """What of a scan is ink.

    Attributes:
        strength: uint8 (height, width), 0 paper to 255 black ink on white paper, whichever the polarity.
        mask: uint8 (height, width), 255 where the ink of the digit is, 0 elsewhere.
        box: top, left, bottom, right of that ink, in pixels; bottom and right are exclusive.
        polarity: of the scan.
        contrast: typical strength of the digit's ink, 0 to 255; 0 when there is none.
        noise: typical deviation of the paper, in the same unit.
        parts: tight boxes of the pieces of ink as large as parts of digits, (n, 5) int32: left, top,
            width, height, area.
        filled_fraction: part of the image that is ink before anything was left out, 0 to 1.
    """

    strength: Grey
    mask: Mask
    box: tuple[int, int, int, int]
    polarity: Polarity
    contrast: float
    noise: float
    parts: npt.NDArray[np.int32]
    filled_fraction: float

    @property
    def is_blank(self) -> bool:
        """Whether no ink was found."""
        return self.box[2] <= self.box[0]


Show = Callable[[str, Grey], None]
"""Is shown the steps: their names, and what each makes of the scan."""


def show_nothing(name: str, picture: Grey) -> None:
    """Ignore a step that nobody wants to see."""


def find_ink(grey: Grey, show: Show = show_nothing) -> Ink:
    """Finds the digit's ink in a scan.

    Args:
        grey: uint8 (height, width), at least 4x4.
        show: for people who want to see how.

    Returns:
        The ink, at a working size of at most 112 pixels; for an image and its inverse the same but for
        `polarity`.
    """
    polarity = estimate_polarity(grey)
    paper = _dark_on_light(grey, polarity)
    work = resized(paper, WORK_PX)
    ink = _find_ink_at(work, polarity, show)
    scale = max(paper.shape) / max(work.shape)
    if ink.is_blank or scale <= 1:
        return ink
    top, left, bottom, right = ink.box
    extent = max(bottom - top, right - left)
    if extent >= ZOOM_FRACTION * max(work.shape):
        return ink
    # The digit is small in a large scan: look again, at more of its pixels.
    middle_y, middle_x = (top + bottom) / 2, (left + right) / 2
    reach = max(extent, 12) * 1.1
    window = paper[
        max(0, int((middle_y - reach) * scale)) : int((middle_y + reach) * scale) + 1,
        max(0, int((middle_x - reach) * scale)) : int((middle_x + reach) * scale) + 1,
    ]
    nearer = _find_ink_at(resized(window, WORK_PX), polarity, show)
    return ink if nearer.is_blank else nearer


def estimate_polarity(grey: Grey) -> Polarity:
    """Decides which of ink and paper is the darker.

    Where the scan as a whole does not say (a shadow covers half of it), the ink does that would be found: a
    pen's stroke has a crisp outline, what lies between it and a shadow has not all around.
    """
    vote = polarity_vote(grey)
    if abs(vote) < UNSURE_VOTE and min(grey.shape) >= SMALL_PX:
        light, dark = (
            _find_ink_at(resized(_dark_on_light(grey, polarity), WORK_PX), polarity, show_nothing)
            for polarity in (Polarity.LIGHT_ON_DARK, Polarity.DARK_ON_LIGHT)
        )
        if not light.is_blank and not dark.is_blank:  # or it is the paper's grain that is left
            vote += CRISP_WEIGHT * (_crispness(light) - _crispness(dark))
    return Polarity.LIGHT_ON_DARK if vote > 0 else Polarity.DARK_ON_LIGHT


def normalise(ink: Ink, spec: PreprocessSpec) -> npt.NDArray[np.uint8]:
    """Brings the ink into the model's input.

    Args:
        ink: not blank.
        spec: names the views wanted.

    Returns:
        uint8 (28, 28, channels), ink bright on black. `boxed` is one channel, the digit alone in MNIST's
        form. `context` is the digit with what is around it, nothing taken out, 56x56 pixels in four channels:
        those in even rows and columns, in even rows and odd columns, and so on.
    """
    digit = np.empty((DIGIT_PX, DIGIT_PX, spec.channels), np.uint8)
    channel = 0
    for view in spec.views:
        for plane in _VIEWS[view](ink):
            digit[..., channel] = plane
            channel += 1
    return digit


def pictures(digit: npt.NDArray[np.uint8], spec: PreprocessSpec) -> dict[str, Grey]:
    """The views in a model's input as pictures, by name."""
    found, start = {}, 0
    for view in spec.views:
        part = digit[..., start : start + VIEW_CHANNELS[view]]
        start += VIEW_CHANNELS[view]
        if part.shape[2] == 4:
            part = part.reshape(DIGIT_PX, DIGIT_PX, 2, 2).transpose(0, 2, 1, 3)
        side = part.shape[0] if part.ndim == 3 else CONTEXT_PX
        found[view] = np.ascontiguousarray(part).reshape(side, side)
    return found


def _dark_on_light(grey: Grey, polarity: Polarity) -> Grey:
    # Inverted before anything is rounded, so that an image and its inverse stay equal to the last bit.
    return cv2.bitwise_not(grey) if polarity is Polarity.LIGHT_ON_DARK else grey


def _crispness(ink: Ink) -> float:
    """How much the strength rises at the outline of the ink, from pixel to pixel, of its contrast."""
    outline = cv2.subtract(ink.mask, cv2.erode(ink.mask, _SQUARE))
    even = cv2.GaussianBlur(ink.strength, (3, 3), 0)  # the grain of paper rises, too
    rise = cv2.mean(cv2.morphologyEx(even, cv2.MORPH_GRADIENT, _SQUARE), outline)[0]
    return float(rise / max(ink.contrast, 1.0))


def _find_ink_at(paper: Grey, polarity: Polarity, show: Show) -> Ink:
    show("dark on light", paper)
    ground = _flat_ground(paper)
    if ground is not None:
        # Computer-made or already cleaned: nothing to estimate, and no paper to mistake for ink.
        strength = cv2.bitwise_not(paper)
        if ground < 255:
            strength = cv2.subtract(strength, 255.0 - ground)
            strength = cv2.convertScaleAbs(strength, alpha=255.0 / max(ground, 40))
        mask = cv2.threshold(strength, CLEAN_FLOOR, 255, cv2.THRESH_BINARY)[1]
        noise = 0.0
        lines, likely = find_lines(mask)
        found = mask
        if cv2.countNonZero(lines):
            found = repair_strokes(cv2.bitwise_and(mask, cv2.bitwise_not(lines)), lines, mask)
    else:
        background = estimate_background(paper)
        show("background", background)
        strength = contrast_of(paper, background)
        mask, found, likely, noise = _without_lines(strength)
    show("ink strength", strength)
    show("ink", mask)
    show("without lines", found)
    digit, box, parts = _select(found, strength, likely)
    inside = slice(box[0], box[2]), slice(box[1], box[3])
    contrast = float(cv2.mean(strength[inside], digit[inside])[0]) if box[2] > box[0] else 0.0
    filled = cv2.countNonZero(mask) / mask.size
    show("the digit", digit)
    return Ink(strength, digit, box, polarity, contrast, noise, parts, filled)


def _without_lines(strength: Grey) -> tuple[Mask, Mask, Mask, float]:
    """All ink; the ink without printed lines; what of it may be lines; and the paper's noise.

    Lines set the level of what counts as ink: when they are gone, fainter strokes can be seen, and fainter
    lines.
    """
    smooth = smoothed(strength)
    counts = histogram(smooth)
    floor, noise = noise_floor(smooth, counts)
    everything = binarise(smooth, counts, floor)
    lines, likely = find_lines(everything)
    ink = everything
    for _ in range(MAX_PEELS):
        gone = cv2.bitwise_or(lines, likely)
        if not cv2.countNonZero(gone):
            break
        ink = binarise(*mask_out_lines(smooth, lines, likely), floor)
        everything = cv2.bitwise_or(everything, ink)
        more, perhaps = (
            cv2.bitwise_and(found, cv2.bitwise_not(gone)) for found in find_lines(cv2.bitwise_or(ink, gone))
        )
        if not cv2.countNonZero(more) and not cv2.countNonZero(perhaps):
            break
        ink = cv2.bitwise_and(ink, cv2.bitwise_not(more))
        lines, likely = cv2.bitwise_or(lines, more), cv2.bitwise_or(likely, perhaps)
    return everything, repair_strokes(ink, lines, everything), likely, noise


def _flat_ground(paper: Grey) -> int | None:
    """Brightness of a ground that needs no estimate, or None where there is paper."""
    ground = even_rim(paper)
    if ground is not None and ground[1] >= 128:
        # Unless the even rim is a frame around something else.
        low, high = ground
        is_mostly = 2 * np.count_nonzero(paper >= low) >= paper.size
        return high if is_mostly else None
    if min(paper.shape) < SMALL_PX:
        # Strokes may be wider than any window that fits; but such small files are cut out and cleaned.
        top = float(paper.max())
        clean = GROUND_FRACTION if min(paper.shape) <= MIN_WORK_PX else 2 * GROUND_FRACTION
        if np.count_nonzero(paper >= top - FLAT_LEVELS) >= clean * paper.size:
            return int(top)
    return None


def _select(
    mask: Mask, strength: Grey, likely_lines: Mask
) -> tuple[Mask, tuple[int, int, int, int], npt.NDArray[np.int32]]:
    """Chooses the pieces of ink that make up the digit; leaves out specks and what hangs on the edge."""
    height, width = mask.shape
    x, y, ink_width, ink_height = cv2.boundingRect(mask)
    inside = slice(y, y + ink_height), slice(x, x + ink_width)
    # Mostly there is one piece, and to count them is cheaper than to measure them.
    count = cv2.connectedComponents(mask[inside], connectivity=8, ltype=cv2.CV_16U)[0] if ink_width else 1
    if count == 1:
        return mask, (0, 0, 0, 0), np.empty((0, 5), np.int32)
    if count == 2:
        piece = x, y, ink_width, ink_height, cv2.countNonZero(mask)
        return mask, (y, x, y + ink_height, x + ink_width), np.array([piece], np.int32)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    left, top, wide, high, area = stats[1:].T
    right, bottom = left + wide, top + high
    weight = np.bincount(labels[inside].ravel(), strength[inside].ravel(), minlength=count)[1:]
    extent = np.maximum(wide, high)
    edges = (left <= 1).astype(int) + (top <= 1) + (right >= width - 1) + (bottom >= height - 1)
    # Distance of the piece's middle from the image's, 0 in the middle to 1 at the edge.
    aside = np.maximum(np.abs((left + right) / width - 1.0), np.abs((top + bottom) / height - 1.0))
    appeal = weight * extent * np.where(edges == 0, 1.0, np.where(edges == 1, 0.5, 0.15))
    appeal = appeal * (1.15 - aside)
    of_lines = np.zeros(count - 1, bool)
    if cv2.countNonZero(likely_lines):
        of_lines = np.bincount(labels[likely_lines > 0], minlength=count)[1:] > LINE_FRACTION * area
        appeal = np.where(of_lines, LINE_APPEAL * appeal, appeal)
    main = int(np.argmax(appeal))
    # A piece belongs to the digit if it is large enough beside it and near enough to it.
    gap_x = np.maximum(left[main] - right, left - right[main])
    gap_y = np.maximum(top[main] - bottom, top - bottom[main])
    near = np.maximum(gap_x, gap_y) <= 0.22 * extent[main]
    large = (area >= 0.04 * area[main]) & (weight >= 0.03 * weight[main]) & (area >= 3)
    at_edge = (edges >= 1) & (aside > 0.75) & (area < 0.5 * area[main])
    member = near & large & ~at_edge & ~of_lines
    member[main] = True
    digit = np.concatenate(([0], member * np.uint8(255))).astype(np.uint8).take(labels)
    box = (
        int(top[member].min()),
        int(left[member].min()),
        int(bottom[member].max()),
        int(right[member].max()),
    )
    sizeable = (area >= 0.15 * area[main]) & (edges <= 1) & ~of_lines
    return digit, box, stats[1:][sizeable | member]


def _levelled(strength: npt.NDArray[np.float32], level: float) -> npt.NDArray[np.float32]:
    strength = strength * (255.0 / max(level, 1.0))
    return cv2.threshold(strength, 255.0, 0.0, cv2.THRESH_TRUNC)[1]


def _boxed(ink: Ink) -> list[Grey]:
    top, left, bottom, right = ink.box
    # One pixel more than the mask: the soft edge of a stroke belongs to it.
    inside = slice(top, bottom), slice(left, right)
    mask = ink.mask[inside]
    strength = cv2.bitwise_and(ink.strength[inside], cv2.dilate(mask, _SQUARE))
    height, width = strength.shape
    level = quantile(cv2.calcHist([strength], [0], mask, [256], [0, 256]).ravel(), 0.75)
    scale = BOX_PX / max(height, width)
    body = _levelled(strength.astype(np.float32), level)
    ink_px = cv2.countNonZero(mask)
    # Half of the outline's pixels count once for each side of a stroke.
    inner = cv2.erode(mask, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    stroke_px = 2.0 * ink_px / max(1.0, ink_px - cv2.countNonZero(inner)) * scale
    if stroke_px < THIN_STROKE_PX:
        reach = int(np.ceil((THIN_STROKE_PX - stroke_px) / scale)) | 1
        if reach > 1:
            body = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    if scale != 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        body = cv2.resize(body, size, interpolation=how)
        if scale > 1:
            body = np.clip(body, 0.0, 255.0)  # the cubic overshoots
        else:
            body = _levelled(body, quantile(_counts_above(body, 60), 0.75))
    height, width = body.shape
    moments = cv2.moments(body)
    mass = max(moments["m00"], 1e-6)
    x = round(DIGIT_PX / 2 - moments["m10"] / mass)
    y = round(DIGIT_PX / 2 - moments["m01"] / mass)
    x = min(max(x, 0), DIGIT_PX - width)
    y = min(max(y, 0), DIGIT_PX - height)
    digit = np.zeros((DIGIT_PX, DIGIT_PX), np.uint8)
    digit[y : y + height, x : x + width] = np.rint(body)
    return [digit]


def _counts_above(body: npt.NDArray[np.float32], floor: int) -> npt.NDArray[Any]:
    counts = cv2.calcHist([body], [0], None, [256], [0, 256]).ravel()
    counts[: floor + 1] = 0
    return counts


def _context(ink: Ink) -> list[Grey]:
    height, width = ink.strength.shape
    top, left, bottom, right = ink.box
    side = max(height, width)
    side = max(4, min(side, round(CONTEXT_FRACTION * max(bottom - top, right - left))))
    x = _window((left + right) / 2, side, width)
    y = _window((top + bottom) / 2, side, height)
    square = ink.strength[max(0, y) : y + side, max(0, x) : x + side]
    if square.shape != (side, side):
        above, before = max(0, -y), max(0, -x)
        below, after = side - above - square.shape[0], side - before - square.shape[1]
        square = cv2.copyMakeBorder(square, above, below, before, after, cv2.BORDER_CONSTANT)
    how = cv2.INTER_AREA if side > CONTEXT_PX else cv2.INTER_LINEAR
    view = cv2.resize(square.astype(np.float32), (CONTEXT_PX, CONTEXT_PX), interpolation=how)
    levelled = cv2.convertScaleAbs(view, alpha=255.0 / max(0.8 * ink.contrast, 1.0))
    return [levelled[row::2, column::2] for row in (0, 1) for column in (0, 1)]


def _window(middle: float, side: int, length: int) -> int:
    """First pixel of a window: inside the image where it fits, else centred on the image."""
    if side >= length:
        return -((side - length) // 2)
    return int(min(max(0, middle - side / 2), length - side))


_VIEWS = {"boxed": _boxed, "context": _context}
