"""Which of ink and paper is the darker."""

from __future__ import annotations

import math

import cv2
import numpy as np

from batch.preprocessing.contrast import FAINT_LEVELS
from batch.preprocessing.resize import resized
from batch.records import Grey

POLARITY_PX = 48  # longer side at which the polarity is decided
WIDE_FRACTION = 0.2  # of the image's shorter side, wider than most strokes
NARROW_FRACTION = 0.1  # of the same, narrower than most shadows and gaps
NARROW_FROM_PX = 24  # in smaller scans strokes are too wide, and what they enclose is narrow
# Of the votes, the wide one's being 1: by logistic regression on 4,000 rendered scans.
NARROW_WEIGHT, COVER_WEIGHT = 0.62, 1.15
CLEAR_VOTE = 0.6  # a vote nearer to 0 leaves it open
WHOLE_WEIGHT = 0.7
FLAT_LEVELS = 6  # a rim of at most this range is a clean, computer-made ground


def polarity_vote(grey: Grey) -> float:
    """Asks which of ink and paper is the darker.

    Three votes are added. Strokes are narrower than the paper around them: a closing fills dark strokes, an
    opening takes away light ones, and whichever changes the image more has met the ink. That is asked of a
    wide window, which takes in any stroke, and of a narrow one, which what lies between shadows does not fit.
    And paper covers more of a scan than ink: its typical brightness lies nearer to the paper's end of the
    range. All votes change sign with the image, so that an image and its inverse get opposite answers.

    Where they leave it open, another is added: a digit is of one piece, and the paper about one that fills
    its scan is in several, in the corners and inside.

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
    small = cv2.GaussianBlur(resized(grey, POLARITY_PX), (3, 3), 0)
    vote = _narrower(small, WIDE_FRACTION, framed=True)
    if min(grey.shape) >= NARROW_FROM_PX:
        vote += NARROW_WEIGHT * _narrower(small, NARROW_FRACTION, framed=False)
    rank = small.size // 100  # of the darkest and the lightest that count
    ranks = rank, (small.size - 1) // 2, small.size // 2, small.size - 1 - rank
    counts = cv2.calcHist([small], [0], None, [256], [0, 256]).ravel()
    low, below, above, high = counts.cumsum().searchsorted(ranks, side="right").tolist()
    cover = ((low + high) - (below + above)) / (2.0 * (high - low + 1.0))
    vote = float(vote + COVER_WEIGHT * cover)
    return vote if abs(vote) >= CLEAR_VOTE else vote + WHOLE_WEIGHT * _more_whole(small, low + high)


def _more_whole(small: Grey, sum_of_ends: int) -> float:
    """Whether what is light is more of one piece (to 1) or what is dark (to -1).

    Args:
        small: uint8 (height, width).
        sum_of_ends: of its darkest and lightest brightness.
    """
    shares = []
    for side in (small > sum_of_ends // 2, small < (sum_of_ends + 1) // 2):
        _, _, stats, _ = cv2.connectedComponentsWithStats(side.view(np.uint8), connectivity=4)
        areas = stats[1:, cv2.CC_STAT_AREA]
        shares.append(float(areas.max() / areas.sum()) if areas.size else 0.0)
    return shares[0] - shares[1]


def _narrower(small: Grey, fraction: float, *, framed: bool) -> float:
    """Whether what is narrower than a window is lighter (to 1) or darker (to -1) than what is around it.

    Args:
        small: uint8 (height, width).
        fraction: side of the window, of the shorter side.
        framed: goes on beyond the edge as at the edge: a margin outside a printed border is no stroke.
    """
    reach = max(3, round(fraction * min(small.shape))) | 1
    kernel = np.ones((reach, reach), np.uint8)
    margin = reach if framed else 0
    picture = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    height, width = small.shape
    inside = slice(margin, margin + height), slice(margin, margin + width)
    darker = _power(cv2.morphologyEx(picture, cv2.MORPH_BLACKHAT, kernel)[inside])
    lighter = _power(cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, kernel)[inside])
    return (lighter - darker) / (lighter + darker + 1.0)


def _power(departure: Grey) -> float:
    return cv2.norm(cv2.subtract(departure, FAINT_LEVELS), cv2.NORM_L2SQR)


def even_rim(grey: Grey) -> tuple[int, int] | None:
    """Darkest and lightest pixel of the rim, or None where it is not of one brightness."""
    low, high, _, _ = cv2.minMaxLoc(np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1])))
    return (int(low), int(high)) if high - low <= FLAT_LEVELS else None


def _is_mostly(grey: Grey, ground: tuple[int, int]) -> bool:
    low, high = ground
    # Darker than the ground is, in bytes that wrap around, far above it.
    return 2 * int(np.count_nonzero(grey - np.uint8(low) <= high - low)) >= grey.size
