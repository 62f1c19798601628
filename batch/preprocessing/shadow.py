"""The paper of a scan in even light: as bright in shadows, and on a dark table beside it, as elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from batch.preprocessing.look import LOOK, reduce
from batch.records import Grey


class ShadowConstants(NamedTuple):
    """The constants of uneven light. An engineer set them on drawn numbers with shadows and on dark tables.

    Attributes:
        open_fraction: Share of the height that no pen is wide; what is wider is paper or shadow.
        min_depth: Levels between the ground and the darkest paper at the rim from which the light is uneven.
        stroke_px: Height, at most, at which the sign of the ink is settled.
        stroke_fraction: Share of it that the windows are wide in which ink is compared to the paper.
        max_gain: The darkest paper is made so many times as bright, at most.
        level: Level of the paper in even light. It leaves room above for brighter spots.
    """

    open_fraction: float = 0.3
    min_depth: int = 80
    stroke_px: int = 72
    stroke_fraction: float = 0.2
    max_gain: float = 5.0
    level: float = 230.0


SHADOW = ShadowConstants()


def paper_of(light: Grey, pen_px: int) -> Grey:
    """Return the paper of a scan with light ink, if no pen is so wide.

    Args:
        light: Scan with light ink, uint8 (height, width).
        pen_px: Pixels that no pen is wide.
    """
    return np.asarray(cv2.morphologyEx(light, cv2.MORPH_OPEN, np.ones((pen_px | 1, pen_px | 1), np.uint8)))


def widest_pen_px(rows: int) -> int:
    """Return the pixels that no pen is wide in a scan of so many rows."""
    return max(3, round(SHADOW.open_fraction * rows))


def is_uneven(paper: Grey) -> bool:
    """Return whether paper, as `paper_of` returns it, is much darker in places, e.g. in a shadow.

    A shadow reaches the rim of the scan. What is dark inside of it only is ink, e.g. a digit blacked out.

    Args:
        paper: Paper of a scan that most of it leaves at the ground, uint8 (height, width).
    """
    level = LOOK.ground + SHADOW.min_depth
    if int(paper.max()) <= level:  # most scans, and the rim takes more time
        return False
    return max(int(paper[[0, -1]].max()), int(paper[:, [0, -1]].max())) > level


def has_dark_ink(light: Grey) -> bool:
    """Return whether strokes are darker than the paper nearby, though the ink was taken to be light.

    A shadow over half of a scan is more of it than the ink, and then the lit paper looks like light ink.

    Args:
        light: Scan, uint8 (height, width).
    """
    factor = -(-light.shape[0] // SHADOW.stroke_px)
    small = reduce(light, factor) if factor > 1 else light
    nearby = cv2.medianBlur(small, max(3, round(SHADOW.stroke_fraction * small.shape[0])) | 1)
    return int(small.sum(dtype=np.int64)) < int(nearby.sum(dtype=np.int64))


def level_paper(light: Grey) -> Grey:
    """Divide the light out of a scan.

    Args:
        light: Scan with light ink, uint8 (height, width).

    Returns:
        The scan with dark ink on paper of one level, uint8 (height, width).
    """
    paper = cv2.bitwise_not(paper_of(light, widest_pen_px(light.shape[0])))
    darkest = round(float(paper.max()) / SHADOW.max_gain)
    return np.asarray(
        cv2.divide(cv2.bitwise_not(light), np.maximum(paper, np.uint8(darkest)), scale=SHADOW.level)
    )
