"""The digit's ink in a grey scan: polarity, background, binarisation, printed lines, the digit's pieces.

Every function is pure. The background and the polarity are settled first and the box last: boxing a scan that
still has its background ruins it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import NEIGHBOURS, Mask, histogram, outline
from batch.preprocessing.background import BACKGROUND, estimate_background, measure_contrast
from batch.preprocessing.binarise import binarise, mask_out_lines, noise_floor, smooth_grain
from batch.preprocessing.components import choose_digit
from batch.preprocessing.lines import find_lines
from batch.preprocessing.polarity import POLARITY, even_rim, polarity_vote
from batch.preprocessing.repair import repair_strokes
from batch.preprocessing.resize import RESIZE, resize
from batch.records import Grey, Polarity


class InkConstants(NamedTuple):
    """Numbers of the way from a scan to its ink.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        work_px: Longer side at which ink is looked for: strokes stay wider than a pixel.
        zoom_fraction: Part of a reduced scan. A smaller digit is looked at again, nearer. What that is worth
            stands in `docs/robustness.md`.
        zoom_min_px: Extent that such a digit has at least, in pixels of the working size.
        zoom_reach: Half of the side of the nearer look, in extents of the digit.
        max_peels: Kinds of printed lines that are taken out, the darkest first.
        clean_floor: Contrast above which there is ink on a clean ground. Below it is what compression blurs.
        small_px: Shorter side below which a window wider than a stroke may not fit.
        tiny_ground_fraction: Part that clean ground covers at least in a scan of `RESIZE.min_px` or less.
        small_ground_fraction: The same in a larger one below `small_px`.
        unsure_vote: A vote on the polarity that is nearer to 0 needs another.
        crisp_weight: Weight of that one, on the outline. At this weight, fewest rendered scans with unsure
            votes went wrong.
        crisp_smooth_px: Side of the Gaussian window before an outline is measured: grain rises, too.
    """

    work_px: int = 112
    zoom_fraction: float = 0.45
    zoom_min_px: int = 12
    zoom_reach: float = 1.1
    max_peels: int = 3
    clean_floor: int = 20
    small_px: int = 40
    tiny_ground_fraction: float = 0.2
    small_ground_fraction: float = 0.4
    unsure_vote: float = 0.4
    crisp_weight: float = 1.5
    crisp_smooth_px: int = 3


INK = InkConstants()


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """The ink of a scan.

    Attributes:
        contrast_map: uint8 (height, width), 0 for paper to 255 for black ink on white paper, whichever the
            polarity.
        mask: uint8 (height, width), 255 where the ink of the digit is, 0 elsewhere.
        box: Top, left, bottom, right of that ink, in pixels; bottom and right are exclusive.
        polarity: Polarity of the scan.
        contrast: Mean contrast of the digit's ink, 0 to 255; 0 if there is none.
        noise: Typical deviation of the paper, in the same unit.
        parts: Tight boxes of the pieces of ink as large as parts of digits, (n, 5) int32: left, top,
            width, height, area.
        filled_fraction: Part of the image that is ink before anything was left out, 0 to 1.
    """

    contrast_map: Grey
    mask: Mask
    box: tuple[int, int, int, int]
    polarity: Polarity
    contrast: float
    noise: float
    parts: npt.NDArray[np.int32]
    filled_fraction: float

    @property
    def is_blank(self) -> bool:
        """Whether there is no ink."""
        return self.box[2] <= self.box[0]


Show = Callable[[str, Grey], None]
"""A function that digitbox calls with each step's name and its picture of the scan."""


def show_nothing(name: str, picture: Grey) -> None:
    """Ignore a step that nobody wants to see."""


def find_ink(grey: Grey, show: Show = show_nothing) -> Ink:
    """Find the digit's ink in a scan.

    Args:
        grey: uint8 (height, width), at least 4x4.
        show: Is called with the name and the picture of each step.

    Returns:
        The ink, at a working size of at most 112 pixels; for an image and its inverse the same but for
        `polarity`.
    """
    polarity = estimate_polarity(grey)
    paper = _dark_on_light(grey, polarity)
    work = resize(paper, INK.work_px)
    ink = _find_ink_at(work, polarity, show)
    scale = max(paper.shape) / max(work.shape)
    if ink.is_blank or scale <= 1:
        return ink
    top, left, bottom, right = ink.box
    extent = max(bottom - top, right - left)
    if extent >= INK.zoom_fraction * max(work.shape):
        return ink
    # The digit is small in a large scan: look again, at more of its pixels.
    middle_y, middle_x = (top + bottom) / 2, (left + right) / 2
    reach = max(extent, INK.zoom_min_px) * INK.zoom_reach
    window = paper[
        max(0, int((middle_y - reach) * scale)) : int((middle_y + reach) * scale) + 1,
        max(0, int((middle_x - reach) * scale)) : int((middle_x + reach) * scale) + 1,
    ]
    nearer = _find_ink_at(resize(window, INK.work_px), polarity, show)
    return ink if nearer.is_blank else nearer


def estimate_polarity(grey: Grey) -> Polarity:
    """Decide which of ink and paper is the darker.

    Where the scan as a whole does not say (a shadow covers half of it), the ink of either polarity decides:
    a pen's stroke has a crisp outline, and what lies between it and a shadow has none all around.
    """
    vote = polarity_vote(grey)
    if abs(vote) < INK.unsure_vote and min(grey.shape) >= INK.small_px:
        light, dark = (
            _find_ink_at(resize(_dark_on_light(grey, polarity), INK.work_px), polarity, show_nothing)
            for polarity in (Polarity.LIGHT_ON_DARK, Polarity.DARK_ON_LIGHT)
        )
        # Where one of them is blank, the other may be the paper's grain.
        if not light.is_blank and not dark.is_blank:
            vote += INK.crisp_weight * (_crispness(light) - _crispness(dark))
    return Polarity.LIGHT_ON_DARK if vote > 0 else Polarity.DARK_ON_LIGHT


def _dark_on_light(grey: Grey, polarity: Polarity) -> Grey:
    # Inverted before anything is rounded, so that an image and its inverse stay equal to the last bit.
    return cv2.bitwise_not(grey) if polarity is Polarity.LIGHT_ON_DARK else grey


def _crispness(ink: Ink) -> float:
    """Return how much the contrast rises from pixel to pixel at the outline, as a part of the ink's."""
    even = cv2.GaussianBlur(ink.contrast_map, (INK.crisp_smooth_px, INK.crisp_smooth_px), 0)
    rise = cv2.mean(cv2.morphologyEx(even, cv2.MORPH_GRADIENT, NEIGHBOURS), outline(ink.mask))[0]
    return float(rise / max(ink.contrast, 1.0))


def _find_ink_at(paper: Grey, polarity: Polarity, show: Show) -> Ink:
    """Find the ink of a scan that has the working size and is dark on light."""
    show("dark on light", paper)
    ground = _flat_ground(paper)
    if ground is not None:
        # Computer-made or already cleaned: nothing to estimate, and no paper to mistake for ink.
        contrast_map = cv2.bitwise_not(paper)
        if ground < 255:
            contrast_map = cv2.subtract(contrast_map, 255.0 - ground)
            contrast_map = cv2.convertScaleAbs(contrast_map, alpha=255.0 / max(ground, BACKGROUND.min_paper))
        everything = cv2.threshold(contrast_map, INK.clean_floor, 255, cv2.THRESH_BINARY)[1]
        noise = 0.0
        lines, likely = find_lines(everything)
        mask = everything
        if cv2.countNonZero(lines):
            mask = repair_strokes(cv2.bitwise_and(everything, cv2.bitwise_not(lines)), lines, everything)
    else:
        background = estimate_background(paper)
        show("background", background)
        contrast_map = measure_contrast(paper, background)
        everything, mask, likely, noise = _without_lines(contrast_map)
    show("contrast", contrast_map)
    show("ink", everything)
    show("without lines", mask)
    digit, box, parts = choose_digit(mask, contrast_map, likely)
    inside = slice(box[0], box[2]), slice(box[1], box[3])
    contrast = float(cv2.mean(contrast_map[inside], digit[inside])[0]) if box[2] > box[0] else 0.0
    filled = cv2.countNonZero(everything) / everything.size
    show("the digit", digit)
    return Ink(contrast_map, digit, box, polarity, contrast, noise, parts, filled)


def _without_lines(contrast_map: Grey) -> tuple[Mask, Mask, Mask, float]:
    """Return all ink, the ink without printed lines, what of it may be lines, and the paper's noise.

    Lines set the level of what counts as ink: without them fainter strokes can be seen, and fainter lines.
    """
    smooth = smooth_grain(contrast_map)
    counts = histogram(smooth)
    floor, noise = noise_floor(smooth, counts)
    everything = binarise(smooth, counts, floor)
    lines, likely = find_lines(everything)
    ink = everything
    for _ in range(INK.max_peels):
        known = cv2.bitwise_or(lines, likely)
        if not cv2.countNonZero(known):
            break
        ink = binarise(*mask_out_lines(smooth, lines, likely), floor)
        everything = cv2.bitwise_or(everything, ink)
        more_lines, more_likely = (
            cv2.bitwise_and(new, cv2.bitwise_not(known)) for new in find_lines(cv2.bitwise_or(ink, known))
        )
        if not cv2.countNonZero(more_lines) and not cv2.countNonZero(more_likely):
            break
        ink = cv2.bitwise_and(ink, cv2.bitwise_not(more_lines))
        lines, likely = cv2.bitwise_or(lines, more_lines), cv2.bitwise_or(likely, more_likely)
    return everything, repair_strokes(ink, lines, everything), likely, noise


def _flat_ground(paper: Grey) -> int | None:
    """Return the brightness of a ground that needs no estimate, or None where there is paper."""
    rim = even_rim(paper)
    if rim is not None and rim[1] >= 128:
        # An even rim may also be a frame around something else.
        low, high = rim
        is_mostly = 2 * np.count_nonzero(paper >= low) >= paper.size
        return high if is_mostly else None
    if min(paper.shape) < INK.small_px:
        # Strokes may be wider than any window that fits; but such small files are cut out and cleaned.
        top = float(paper.max())
        is_tiny = min(paper.shape) <= RESIZE.min_px
        clean = INK.tiny_ground_fraction if is_tiny else INK.small_ground_fraction
        if np.count_nonzero(paper >= top - POLARITY.flat_levels) >= clean * paper.size:
            return int(top)
    return None
