"""Drawn scans for the tests of the preprocessing."""

import cv2
import numpy as np

from batch.preprocessing.ink import find_ink
from batch.preprocessing.normalise import normalise
from batch.records import Grey


def light(size: int = 90) -> Grey:
    """Return paper lit from a corner, darker towards the rim."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.asarray(190 + 30 * x - 20 * y - 30 * (x * x + y * y), np.uint8)


def written(paper: Grey, text: str = "8", width: int = 6, ink: float = 0.4) -> Grey:
    """Return the paper with a digit on it; `ink` is the part of the light that the ink leaves."""
    mask = np.zeros(paper.shape, np.uint8)
    cv2.putText(mask, text, (22, 68), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 255, width, cv2.LINE_AA)
    return np.asarray(paper * (1 - (1 - ink) * (mask / 255.0)), np.uint8)


def draw(text: str = "5", size: int = 100, paper: int = 230, ink: int = 40, width: int = 5) -> Grey:
    """Return a digit in the middle of plain paper."""
    scan = np.full((size, size), paper, np.uint8)
    scale = size / 40
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, width)
    origin = (size - wide) // 2, (size + high) // 2
    cv2.putText(scan, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, width, cv2.LINE_AA)
    return scan


def boxes(count: int = 1, radius: int = 20, width: int = 4) -> Grey:
    """Draw boxes with round corners in a row, each 100 pixels high and 80 wide, on paper of the level 230."""
    scan = np.full((120, 20 + 90 * count), 230, np.uint8)
    for index in range(count):
        left, top, right, bottom = 15 + 90 * index, 10, 90 + 90 * index, 110
        for start, end in (
            ((left + radius, top), (right - radius, top)),
            ((left + radius, bottom), (right - radius, bottom)),
            ((left, top + radius), (left, bottom - radius)),
            ((right, top + radius), (right, bottom - radius)),
        ):
            cv2.line(scan, start, end, 90, width)
        for x, y, turn in (
            (right - radius, top + radius, 270),
            (right - radius, bottom - radius, 0),
            (left + radius, bottom - radius, 90),
            (left + radius, top + radius, 180),
        ):
            cv2.ellipse(scan, (x, y), (radius, radius), turn, 0, 90, 90, width)
    return scan


def digit_of(scan: Grey) -> Grey:
    """Return the digit of a scan, as a model sees it."""
    return normalise(find_ink(scan))[..., 0]


def likeness(first: Grey, second: Grey) -> float:
    """Return the correlation of two digits, 1 for equal ones."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def with_grain(scan: Grey) -> Grey:
    grain = np.random.default_rng(0).normal(0, 4, scan.shape)
    return np.clip(scan + grain, 0, 255).astype(np.uint8)


def boxed(scan: Grey) -> Grey:
    framed = with_grain(scan)
    cv2.rectangle(framed, (2, 2), (scan.shape[1] - 3, scan.shape[0] - 3), 20, 4)
    return framed
