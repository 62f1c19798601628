"""A vote on which of ink and paper is the darker."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.arrays import histogram
from batch.preprocessing.binarise import BINARISE
from batch.preprocessing.resize import resize
from batch.records import Grey


class PolarityConstants(NamedTuple):
    """Numbers of the vote on the polarity.

    They were set by hand on rendered scans and on the two sudoku folders of `docs/robustness.md`.
    A field says so if it was set otherwise.

    Attributes:
        work_px: Longer side at which the vote is taken.
        smooth_px: Side of the Gaussian window that evens out the grain first.
        flat_levels: Range of a rim, in levels, up to which it is a clean, computer-made ground.
        wide_fraction: Side of the wide window, of the shorter side: wider than most strokes.
        narrow_fraction: Side of the narrow window, of the same: narrower than most shadows and gaps.
        min_window_px: Least side of a window.
        narrow_from_px: Shorter side from which the narrow window votes. In smaller scans strokes are too
            wide for it, and it would meet what they enclose.
        narrow_weight: Weight of the narrow window's vote, the wide one's being 1. By logistic regression on
            4,000 rendered scans.
        cover_weight: Weight of the vote of what covers more of the scan. By the same regression.
        tail_fraction: Part of the darkest and of the lightest pixels that do not count as ends of the range.
        clear_vote: Sum of the votes below which another is taken.
        whole_weight: Weight of that one, on what is of one piece.
    """

    work_px: int = 48
    smooth_px: int = 3
    flat_levels: int = 6
    wide_fraction: float = 0.2
    narrow_fraction: float = 0.1
    min_window_px: int = 3
    narrow_from_px: int = 24
    narrow_weight: float = 0.62
    cover_weight: float = 1.15
    tail_fraction: float = 0.01
    clear_vote: float = 0.6
    whole_weight: float = 0.7


POLARITY = PolarityConstants()


def polarity_vote(grey: Grey) -> float:
    """Estimate which of ink and paper is the darker.

    Three votes are added. Strokes are narrower than the paper around them: a closing fills dark strokes, an
    opening takes away light ones, and whichever changes the image more has met the ink. A wide window takes
    in any stroke. A narrow one does not take in what lies between shadows. And paper covers more of a scan
    than ink: its typical brightness lies nearer to the paper's end of the range. All votes change sign with
    the image, so that an image and its inverse get opposite answers.

    Where they leave it open, another is added: a digit is of one piece, and the paper about one that fills
    its scan is in several, in the corners and inside.

    Args:
        grey: uint8 (height, width).

    Returns:
        Above 0 where ink is lighter than paper, below where it is darker; about -3 to 3, the surer the
        farther from 0, and infinite for ink on a clean ground.
    """
    ground = even_rim(grey)
    if ground is not None and _is_mostly(grey, ground):
        # Computer-made or already cleaned: what surrounds the ink and covers most is the paper.
        low, high = ground
        ink_is_lighter = 2 * int(cv2.sumElems(grey)[0]) > (low + high) * grey.size
        return math.inf if ink_is_lighter else -math.inf
    work = resize(grey, POLARITY.work_px)
    small = cv2.GaussianBlur(work, (POLARITY.smooth_px, POLARITY.smooth_px), 0)
    vote = _narrow_vote(small, POLARITY.wide_fraction, framed=True)
    if min(grey.shape) >= POLARITY.narrow_from_px:
        vote += POLARITY.narrow_weight * _narrow_vote(small, POLARITY.narrow_fraction, framed=False)
    rank = int(POLARITY.tail_fraction * small.size)
    ranks = rank, (small.size - 1) // 2, small.size // 2, small.size - 1 - rank
    low, below, above, high = histogram(small).cumsum().searchsorted(ranks, side="right").tolist()
    cover = ((low + high) - (below + above)) / (2.0 * (high - low + 1.0))
    vote = float(vote + POLARITY.cover_weight * cover)
    if abs(vote) >= POLARITY.clear_vote:
        return vote
    return vote + POLARITY.whole_weight * _whole_vote(small, low + high)


def _whole_vote(small: Grey, sum_of_ends: int) -> float:
    """Return how much more of one piece the light part is (to 1), or the dark part (to -1).

    Args:
        small: uint8 (height, width).
        sum_of_ends: Sum of its darkest and lightest brightness.
    """
    shares = []
    for side in (small > sum_of_ends // 2, small < (sum_of_ends + 1) // 2):
        _, _, stats, _ = cv2.connectedComponentsWithStats(side.view(np.uint8), connectivity=4)
        areas = stats[1:, cv2.CC_STAT_AREA]
        shares.append(float(areas.max() / areas.sum()) if areas.size else 0.0)
    return shares[0] - shares[1]


def _narrow_vote(small: Grey, fraction: float, *, framed: bool) -> float:
    """Return how much lighter (to 1) or darker (to -1) narrow things are than what is around them.

    Args:
        small: uint8 (height, width).
        fraction: Side of the window, of the shorter side: what is narrower votes.
        framed: Continues the edge outwards: a margin outside a printed border is no stroke.
    """
    window_px = max(POLARITY.min_window_px, round(fraction * min(small.shape))) | 1
    kernel = np.ones((window_px, window_px), np.uint8)
    margin = window_px if framed else 0
    picture = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    height, width = small.shape
    inside = slice(margin, margin + height), slice(margin, margin + width)
    darker = _power(cv2.morphologyEx(picture, cv2.MORPH_BLACKHAT, kernel)[inside])
    lighter = _power(cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, kernel)[inside])
    return (lighter - darker) / (lighter + darker + 1.0)


def _power(departure: Grey) -> float:
    """Return the sum of the squares of what is more than faint."""
    return cv2.norm(cv2.subtract(departure, BINARISE.faint_levels), cv2.NORM_L2SQR)


def even_rim(grey: Grey) -> tuple[int, int] | None:
    """Return the darkest and the lightest pixel of the rim, or None where it is not of one brightness."""
    low, high, _, _ = cv2.minMaxLoc(np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1])))
    return (int(low), int(high)) if high - low <= POLARITY.flat_levels else None


def _is_mostly(grey: Grey, ground: tuple[int, int]) -> bool:
    """Check whether at least half of the pixels are as bright as the ground."""
    low, high = ground
    # A pixel darker than the ground is, in bytes that wrap around, far above it.
    return 2 * int(np.count_nonzero(grey - np.uint8(low) <= high - low)) >= grey.size
