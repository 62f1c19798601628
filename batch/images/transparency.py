"""Paper under transparent pixels: that of a slip on transparent ground, else white or black."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from batch.records import Grey


class _Constants(NamedTuple):
    """How digitbox tells a slip of paper from ink, where both are opaque; set on drawn slips and digits.

    Attributes:
        opaque: Share of the highest alpha from which a pixel counts as opaque; paper can be half transparent.
        slip_radius: A slip holds a circle of this share of its longer side; few strokes of a digit do.
        ink_contrast: Difference in level between paper and the ink on it.
        ink_fraction: Share of the opaque pixels that is ink on the emptiest slip.
        open_border: Share of the frame that is transparent around a slip without ink. A frame that is more
            opaque is paper out of which the digit was cut.
        solidity: Share of its convex hull that a slip without ink fills. Thick strokes of a digit fill less.
    """

    opaque: float = 0.33
    slip_radius: float = 0.15
    ink_contrast: int = 40
    ink_fraction: float = 1 / 500
    open_border: float = 0.5
    solidity: float = 0.9


_C = _Constants()


def is_opaque(alpha: Grey) -> bool:
    """Return whether all pixels are opaque; levels of the alpha below 255 by rounding do not count."""
    return int(alpha.sum(dtype=np.int64)) >= 255 * alpha.size - 127


def put_on_paper(grey: Grey, alpha: Grey) -> Grey:
    """Put what is opaque on paper.

    Args:
        grey: uint8 (height, width).
        alpha: uint8 (height, width), 0 transparent to 255 opaque; not all pixels are opaque.

    Returns:
        Array of uint8 (height, width). The paper has the level of the slip if the opaque part is a slip of
        paper. If it is ink, the paper is white, or black under light ink.
    """
    weight = int(alpha.sum(dtype=np.int64))
    paper = _slip_level(grey, alpha)
    if paper is None:
        weighted = cv2.multiply(grey, alpha, dtype=cv2.CV_16U)
        is_light = weight > 0 and int(weighted.sum(dtype=np.int64)) > 127 * weight
        paper = 0 if is_light else 255
    if paper == 0:
        return np.asarray(cv2.multiply(grey, alpha, scale=1 / 255), np.uint8)
    if paper == 255:
        return np.asarray(255 - cv2.multiply(255 - grey, alpha, scale=1 / 255), np.uint8)
    ground = cv2.multiply(255 - alpha, np.full_like(alpha, paper), scale=1 / 255)
    return np.asarray(cv2.add(cv2.multiply(grey, alpha, scale=1 / 255), ground), np.uint8)


def _slip_level(grey: Grey, alpha: Grey) -> int | None:
    """Return the level of the paper if the opaque part is a slip of paper, else None."""
    is_opaque = np.asarray(alpha > _C.opaque * int(alpha.max()), np.uint8)
    levels = grey[is_opaque > 0]
    if not levels.size:
        return None
    _, _, width, height = cv2.boundingRect(is_opaque)
    framed = cv2.copyMakeBorder(is_opaque, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    radius = float(cv2.distanceTransform(framed, cv2.DIST_L2, 3).max())
    if radius < _C.slip_radius * max(width, height):
        return None
    paper = int(np.median(levels))
    ink = int(np.count_nonzero(np.abs(levels.astype(np.int16) - paper) >= _C.ink_contrast))
    if ink >= _C.ink_fraction * levels.size:
        return paper
    border = np.concatenate([is_opaque[0], is_opaque[-1], is_opaque[:, 0], is_opaque[:, -1]])
    is_cut_out = float(border.mean()) > 1 - _C.open_border
    return None if is_cut_out or _solidity(is_opaque) < _C.solidity else paper


def _solidity(mask: Grey) -> float:
    """Return which share of its convex hull a mask fills, 0 to 1."""
    hull = cv2.convexHull(np.asarray(cv2.findNonZero(mask)))
    filled = cv2.fillConvexPoly(np.zeros_like(mask), hull, 1)
    return int(np.count_nonzero(mask)) / max(1, int(np.count_nonzero(filled)))
