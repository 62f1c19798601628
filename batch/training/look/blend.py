"""A digit between the digits of two writers: a hand that nobody has, though somebody could."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from batch.training.look.mixture import Field

POINTS = 32  # of each stroke, at equal distances along it
MAX_DISTANCE = 0.16  # between two strokes, as a share of a digit's longer side; others are written otherwise


def blend(first: Sequence[Field], second: Sequence[Field], share: float) -> list[Field] | None:
    """Blend two writings of a digit, stroke by stroke and point by point.

    Args:
        first: The strokes of one, each (points, 2) as x, y.
        second: The strokes of the other.
        share: What the other counts. From 0 to 1 the blend is between the two; beyond, it exaggerates
            how they differ.

    Returns:
        The strokes, each (32, 2), the longer side of both digits being 1; None if the two have other
        strokes, so that a blend would be no digit.
    """
    if len(first) != len(second):
        return None
    blended = []
    for one, other in zip(_to_unit(first), _to_unit(second), strict=True):
        along, back = _resample(one), _resample(other)
        if _distance(along, back[::-1]) < _distance(along, back):
            back = back[::-1]  # one writer began where the other ended
        if _distance(along, back) > MAX_DISTANCE:
            return None
        blended.append(np.asarray((1 - share) * along + share * back, np.float32))
    return blended


def _to_unit(strokes: Sequence[Field]) -> list[Field]:
    """Bring the middle of a digit to 0, and its longer side to 1."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    size = float(max(high - low)) or 1.0
    return [(stroke - (low + high) / 2) / size for stroke in strokes]


def _resample(stroke: Field) -> Field:
    """Return points of a stroke at equal distances."""
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    places = np.linspace(0, lengths[-1], POINTS)
    return np.stack([np.interp(places, lengths, stroke[:, axis]) for axis in (0, 1)], axis=1)


def _distance(first: Field, second: Field) -> float:
    """Return the mean distance of the points of two strokes."""
    return float(np.hypot(*(first - second).T).mean())
