"""Which of ink and paper is the darker."""

from __future__ import annotations

import cv2
import numpy as np

from batch.digits.resize import resized
from batch.digits.strength import FAINT_LEVELS
from batch.records import Grey, Polarity

POLARITY_PX = 48  # longer side at which the polarity is decided
STROKE_FRACTION = 0.2  # of the image's shorter side, wider than most strokes
COVER_WEIGHT = 3.0  # of which covers more, against which is narrower
FLAT_LEVELS = 6  # a rim of at most this range is a clean, computer-made ground


def estimate_polarity(grey: Grey) -> Polarity:
    """Decides which of ink and paper is the darker.

    Two votes are added. Strokes are narrower than the paper around them: a closing fills dark strokes, an
    opening takes away light ones, and whichever changes the image more has met the ink. And paper covers more
    of a scan than ink: its typical brightness lies nearer to the paper's end of the range. Both votes change
    sign with the image, so that an image and its inverse get opposite answers.
    """
    ground = even_rim(grey)
    if ground is not None and _is_mostly(grey, ground):
        # Computer-made or already cleaned: what surrounds the ink and covers most is the paper.
        low, high = ground
        ink_is_lighter = 2 * int(cv2.sumElems(grey)[0]) > (low + high) * grey.size
        return Polarity.LIGHT_ON_DARK if ink_is_lighter else Polarity.DARK_ON_LIGHT
    small = cv2.GaussianBlur(resized(grey, POLARITY_PX), (3, 3), 0)
    reach = max(3, round(STROKE_FRACTION * min(small.shape))) | 1
    # Beyond the edge goes on what is at the edge: a margin outside a printed border is no stroke.
    framed = cv2.copyMakeBorder(small, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    kernel = np.ones((reach, reach), np.uint8)
    inside = slice(reach, -reach), slice(reach, -reach)
    darker = _power(cv2.morphologyEx(framed, cv2.MORPH_BLACKHAT, kernel)[inside])
    lighter = _power(cv2.morphologyEx(framed, cv2.MORPH_TOPHAT, kernel)[inside])
    strokes = (lighter - darker) / (lighter + darker + 1.0)
    rank = small.size // 100  # of the darkest and the lightest that count
    ranks = rank, (small.size - 1) // 2, small.size // 2, small.size - 1 - rank
    counts = cv2.calcHist([small], [0], None, [256], [0, 256]).ravel()
    low, below, above, high = counts.cumsum().searchsorted(ranks, side="right").tolist()
    cover = ((low + high) - (below + above)) / (2.0 * (high - low + 1.0))
    return Polarity.LIGHT_ON_DARK if strokes + COVER_WEIGHT * cover > 0 else Polarity.DARK_ON_LIGHT


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
