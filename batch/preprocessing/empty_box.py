"""The tests for empty boxes of a form, on what a network sees.

A printed box with round corners looks much like a 0, and so does a circle. The networks were trained on such
boxes, and miss some. But the paper in a box has four straight sides, and in a row of boxes or circles each is
like the others. Nobody writes such zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import NEIGHBOURS
from batch.records import Grey

Flags = npt.NDArray[np.bool_]


class EmptyBoxConstants(NamedTuple):
    """Numbers of the test. They were set on drawn boxes, and on 17,741 zeros to train on.

    Six of these zeros, pale ones in frames, seem empty boxes.

    Attributes:
        thickest_px: Thickest line of a box. What is broader, e.g. a shadow, is part of the paper.
        line_contrast: Levels above the paper, from which a pixel belongs to a line.
        min_contrast: Levels above the paper inside, from which something may be written on it.
        reach: Height and width of a corner, as shares of what is drawn.
        min_side_px: Shortest side of the paper inside.
        min_room: Height and width of the paper inside, as shares of all that is drawn.
        max_speck: Height and width of what may lie inside, as shares of the longer side of the paper.
        corner: Part of a side at each end that may be round.
        nearly_all: Share of the other points of a side that are near a straight line.
        deviation: Their largest distance from it, as a share of the paper's size across it.
        max_slope: Slope of a side.
        alike: Share of the paper in two boxes of a row that both have, if they are laid on each other.
        max_inset: Distance of a side from the rim of the paper, likewise a share; an open side has more.
    """

    thickest_px: int = 11
    line_contrast: int = 72
    min_contrast: int = 20
    reach: float = 0.14
    min_side_px: int = 10
    min_room: float = 0.7
    max_speck: float = 0.13
    corner: float = 0.2
    nearly_all: float = 0.85
    deviation: float = 0.03
    max_slope: float = 0.12
    alike: float = 0.88
    max_inset: float = 0.12


_C = EmptyBoxConstants()
_BROADER = np.ones((_C.thickest_px, _C.thickest_px), np.uint8)


def is_empty_box(picture: Grey, column: float | None = None) -> bool:
    """Return whether a picture shows a printed box, and nothing in it but specks.

    Args:
        picture: Result of `look_input`, or the picture of a strip, uint8 (height, width).
        column: The column of the picture in which the box may be; None for any.
    """
    contrast = _contrast(picture)
    lines = contrast >= _C.line_contrast
    left, top, drawn_wide, drawn_tall = cv2.boundingRect(lines.view(np.uint8))
    if column is None and not _reaches_corners(lines[top : top + drawn_tall, left : left + drawn_wide]):
        return False
    found = _room(lines, column)
    if found is None:
        return False
    room, levels = found.mask, contrast[found.place]
    tall, wide = room.shape
    is_large = tall >= _C.min_room * drawn_tall and (column is not None or wide >= _C.min_room * drawn_wide)
    if not is_large or min(tall, wide) < _C.min_side_px or not _has_straight_sides(room):
        return False
    inside = cv2.erode(_filled(room).view(np.uint8), NEIGHBOURS, borderValue=0)
    written = inside & (levels >= np.median(levels[room]) + _C.min_contrast)
    specks = cv2.connectedComponentsWithStats(written, connectivity=8)[2][1:]
    sides = specks[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    return int(sides.max(initial=0)) <= _C.max_speck * max(tall, wide)


def are_alike(strip: Grey, columns: Sequence[float]) -> bool:
    """Return whether ink encloses the same piece of paper at each of some columns, as in a row of boxes.

    Args:
        strip: Picture of a strip, uint8 (height, width).
        columns: The columns in which the digits of a number have their middles, two at least.
    """
    lines = _contrast(strip) >= _C.line_contrast
    rooms = [_room(lines, column) for column in columns]
    masks = [room.mask for room in rooms if room is not None]
    return len(masks) == len(rooms) and all(_common(masks[0], other) >= _C.alike for other in masks[1:])


def _contrast(picture: Grey) -> Grey:
    """Return how much thin things stand out from what is around them."""
    return np.asarray(cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, _BROADER), np.uint8)


def _common(first: Flags, second: Flags) -> float:
    """Return the share of two masks that both have, their left top corners laid on each other."""
    tall, wide = map(min, first.shape, second.shape)
    both = int((first[:tall, :wide] & second[:tall, :wide]).sum())
    return both / (int(first.sum()) + int(second.sum()) - both)


def _reaches_corners(drawn: Flags) -> bool:
    """Return whether ink lies near all four corners of what is drawn, as in all boxes and few digits."""
    down, along = (round(_C.reach * side) for side in drawn.shape)
    return all(
        bool(corner.any())
        for rows in (drawn[:down], drawn[-down:])
        for corner in (rows[:, :along], rows[:, -along:])
    )


class _Room(NamedTuple):
    """A piece of paper with ink all around it: a mask of its extent, and where that is in the picture."""

    mask: Flags
    place: tuple[slice, slice]


def _room(lines: Flags, column: float | None) -> _Room | None:
    """Return the piece of paper with the largest extent that lines enclose; None if there is none."""
    height, width = lines.shape
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~lines).view(np.uint8), connectivity=4)
    rooms = []
    for piece, (left, top, wide, tall, _) in enumerate(stats.tolist()):
        is_enclosed = left > 0 < top and left + wide < width and top + tall < height
        if piece and is_enclosed and (column is None or left <= column < left + wide):
            rooms.append((wide * tall, piece, (slice(top, top + tall), slice(left, left + wide))))
    if not rooms:
        return None
    _, piece, place = max(rooms, key=lambda room: room[0])
    return _Room(labels[place] == piece, place)


def _filled(room: Flags) -> Flags:
    """Return the paper with all that lies between paper on its left and right, and above and below."""
    spans = [np.maximum.accumulate(turned) for turned in (room, room[::-1], room.T, room.T[::-1])]
    return spans[0] & spans[1][::-1] & spans[2].T & spans[3][::-1].T


def _has_straight_sides(room: Flags) -> bool:
    """Return whether all four sides of the paper are straight, and nearly along the axes."""
    return all(
        _is_straight(turned.argmax(axis=0), turned.shape[0])
        for turned in (room, room[::-1], room.T, room.T[::-1])
    )


def _is_straight(side: npt.NDArray[np.int64], depth: int) -> bool:
    """Return whether a side is straight between its corners.

    Args:
        side: Distance of each point of the side from the rim, in pixels.
        depth: Size of the paper across the side, in pixels.
    """
    corner = round(_C.corner * len(side))
    middle = side[corner : len(side) - corner]
    along = np.arange(len(middle)) - (len(middle) - 1) / 2
    slope = float(along @ middle / max(float(along @ along), 1.0))
    inset = float(middle.mean())
    off = float(np.quantile(np.abs(middle - inset - slope * along), _C.nearly_all))
    return abs(slope) <= _C.max_slope and inset <= _C.max_inset * depth and off <= _C.deviation * depth
