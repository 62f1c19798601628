"""Curves of a pen, as points (n, 2), x and y."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_Float = TypeVar("_Float", np.float32, np.float64)


def spline(points: npt.NDArray[_Float], steps: int) -> npt.NDArray[_Float]:
    """Join points by a spline (Catmull and Rom 1974).

    Args:
        points: At least two points to pass through, (n, 2).
        steps: Number of points from each of them to the next.

    Returns:
        The points of the spline, ((n - 1) * steps + 1, 2), of the same type.
    """
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t: npt.NDArray[Any] = np.linspace(0, 1, steps, endpoint=False, dtype=points.dtype)[:, None, None]
    a, b, c, d = ends[None, :-3], ends[None, 1:-2], ends[None, 2:-1], ends[None, 3:]
    pieces = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (-a + 3 * b - 3 * c + d) * t**3
    )
    return np.vstack([pieces.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])


def arc(
    centre: tuple[float, float],
    radii: tuple[float, float],
    start: float,
    end: float,
    count: int,
    dtype: type[_Float],
) -> npt.NDArray[_Float]:
    """Return points on a part of an ellipse.

    Args:
        centre: The centre, x and y.
        radii: The radii along x and y.
        start: The angle of the first point, degrees, clockwise from the right.
        end: The angle of the last point.
        count: Number of points.
        dtype: Type of their numbers.
    """
    angle: npt.NDArray[Any] = np.radians(np.linspace(start, end, count, dtype=dtype))
    x, y = centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)
    return np.column_stack([x, y]).astype(dtype)
