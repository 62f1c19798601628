"""The place of the line of writing in a scan: around all that is written, or closely around a small line."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.arrays import NEIGHBOURS
from batch.preprocessing.look import LOOK, Place, reduce
from batch.preprocessing.shadow import is_uneven, paper_of, widest_pen_px
from batch.records import Grey


class WritingLineConstants(NamedTuple):
    """The constants of the line. All were set by eye, on rendered fields of the training.

    Attributes:
        find_px: The height, at most, at which the line is looked for.
        ink_level: Levels above the paper nearby from which a pixel counts as ink.
        faint_level: The same for what else may be written.
        rule_level: The same for printed lines, of which a slanted one is paler between two rows, and for ink
            in a shadow.
        small_open_px: Pixels that no pen of a small line is wide, so that shadows do not count as ink.
        rule_fraction: A run of ink over so much of the width is a printed line, if it is longer than the
            height, too.
        rule_heights: A run of so many heights is always one, beside a small line.
        narrow_fraction: A run of ink over so much of the width is a printed line, too, beside a small line.
        upright_fraction: A run of ink over so much of the height is the side of a box.
        slant_px: Pixels of such a run that may lie beside each other, as printed lines slant in a scan.
        tall_fraction: A piece of ink this high, compared to the tallest one, is writing.
        min_area_px: A smaller piece of ink is dirt.
        max_pieces: With more pieces of ink the paper is patterned, and the whole scan is the line.
        max_ink_fraction: With more ink than that, too.
        min_band_fraction: The line is taken as at least this share of the scan's height.
        above_fraction: Paper above and below the line, as a share of its height.
        beside_fraction: Paper to the left and right, the same.
        small_fraction: A line of less than this share of the scan's height is small.
        around_fraction: Paper above and below a small line, as a share of its height.
        cut_fraction: A piece at the rim that is less high than that, compared to the line, is cut off: it
            belongs to another line.
        thicker_px: Ink of the sides of a cell in a row, on average, beside a line above that elsewhere. With
            more, a 1 near a side counts as part of it.
        max_other_ink: Ink elsewhere, compared to that of the line. With more, the line may be another one.
    """

    find_px: int = 72
    ink_level: int = 120
    faint_level: int = 60
    rule_level: int = 30
    small_open_px: int = 9
    rule_fraction: float = 0.5
    rule_heights: float = 1.5
    narrow_fraction: float = 0.8
    upright_fraction: float = 0.75
    slant_px: int = 3
    tall_fraction: float = 0.45
    min_area_px: int = 3
    max_pieces: int = 70
    max_ink_fraction: float = 0.35
    min_band_fraction: float = 0.22
    above_fraction: float = 0.1
    beside_fraction: float = 0.5
    small_fraction: float = 0.4
    around_fraction: float = 0.7
    cut_fraction: float = 0.5
    thicker_px: float = 1.0
    max_other_ink: float = 0.1


LINE = WritingLineConstants()


class Found(NamedTuple):
    """What was found of the line of writing.

    Attributes:
        place: The line with some paper around it; the whole scan if it is not clear where the line is.
        is_uneven: Whether the paper is much darker in places, so that a part of the line may be missing.
    """

    place: Place
    is_uneven: bool


def find_line(levels: Grey) -> Found:
    """Find the line of writing.

    Args:
        levels: Scan with paper at the ground and ink up to 255, uint8 (height, width).
    """
    height, width = levels.shape
    small, factor = _reduced(levels)
    rows, columns = small.shape
    paper = paper_of(small, widest_pen_px(rows))
    whole = Found(Place(0, 0, width, height), is_uneven(paper))
    above_paper = np.asarray(cv2.subtract(small, paper))
    ink = (above_paper > LINE.ink_level).view(np.uint8)
    run = max(rows, round(LINE.rule_fraction * columns))
    upright = ink & ~_runs(ink, (_upright_px(rows), 1))
    ink &= ~_runs(ink, (1, run))
    upright &= ink
    if not _is_writing(ink, upright):
        return whole
    pieces = _pieces(upright)
    if not len(pieces):
        return whole
    top, bottom = _extent(pieces)
    missing = max(0.0, LINE.min_band_fraction * rows - (bottom - top))
    above = LINE.above_fraction * (bottom - top) + 1 + missing / 2
    # Here the upright runs count: one may be a 1 as high as the scan.
    inked = ink[top:bottom].any(axis=0)
    # A dot may stand a little below the digits.
    inked |= upright[max(0, round(top - above)) : round(bottom + above)].any(axis=0)
    written = np.flatnonzero(inked)
    first, last = int(written[0]), int(written[-1]) + 1
    beside = LINE.beside_fraction * (bottom - top)
    seen = Place(math.ceil(first - beside), top, math.floor(last + beside), bottom)
    for left, right in _shaded_beside(small, above_paper, run, seen, beside):
        first, last = min(first, left), max(last, right)
    place = Place(
        max(0, round((first - beside) * factor)),
        max(0, round((top - above) * factor)),
        min(width, round((last + beside) * factor)),
        min(height, round((bottom + above) * factor)),
    )
    return whole._replace(place=place)


def find_small_line(levels: Grey, rims: Grey) -> Place | None:
    """Find a line that takes little of the scan, e.g. in a cell of a table.

    The lines of the cell do not count, though they may slant a little. What the rim cuts off belongs to
    other lines.

    Args:
        levels: Scan with paper at the ground and ink up to 255, uint8 (height, width).
        rims: The first row of the scan and the last one in its own pixels, in the same levels, uint8 (2, n).

    Returns:
        The line with some paper around it, up to the sides of its cell; None if it is not small, if it goes
        on beyond the scan or a side of the cell, or if other ink makes it doubtful which line it is.
    """
    height, width = levels.shape
    small, factor = _reduced(levels)
    rows, columns = small.shape
    above_paper = np.asarray(cv2.subtract(small, paper_of(small, LINE.small_open_px)))
    faint = (above_paper > LINE.faint_level).view(np.uint8)
    run = max(
        min(rows, round(LINE.narrow_fraction * columns)),
        min(round(LINE.rule_fraction * columns), round(LINE.rule_heights * rows)),
    )
    ruled = (above_paper > LINE.rule_level).view(np.uint8)
    sides = _runs(ruled, (_upright_px(rows), 1), LINE.slant_px)
    at_sides = faint & sides
    faint &= ~(sides | _runs(ruled, (1, run), LINE.slant_px))
    ink = faint & (above_paper > LINE.ink_level)
    pieces = _pieces(ink)
    if not len(pieces) or pieces[:, cv2.CC_STAT_HEIGHT].max() > LINE.small_fraction * rows + 1:
        return None  # most lines are not small, and the rest takes time
    if not _is_writing(ink, ink):
        return None
    touched = _touched(rims, columns)
    top, bottom = _extent(pieces[~_are_cut_off(pieces, rows, touched)])
    if bottom - top >= LINE.small_fraction * rows or _is_thicker(at_sides, top, bottom):
        return None
    around = LINE.around_fraction * (bottom - top) + 2
    first_row, last_row = max(0, round(top - around)), min(rows, round(bottom + around))
    written = np.flatnonzero(ink[first_row:last_row].any(axis=0))
    first, last = int(written[0]), int(written[-1]) + 1
    beside = round(LINE.beside_fraction * (bottom - top))
    walls = np.flatnonzero(sides.any(axis=0))
    faint_pieces = _pieces(faint)
    if ((first < walls) & (walls < last)).any() or _is_at_side(faint_pieces, columns, top, bottom):
        return None
    left = max([0, first - beside, *(walls[walls < first][-1:] + 1).tolist()])
    right = min([columns, last + beside, *walls[walls >= last][:1].tolist()])
    line = Place(left, first_row, right, last_row)
    if _has_other_ink(faint_pieces, _at_rim(faint_pieces, rows, touched), line, bottom - top):
        return None
    return Place(
        line.left * factor,
        line.top * factor,
        min(width, line.right * factor),
        min(height, line.bottom * factor),
    )


def _shaded_beside(
    small: Grey, above_paper: Grey, run: int, seen: Place, beyond: float
) -> list[tuple[int, int]]:
    """Return the first column of each piece of a line that a shadow hides, and the one after its last.

    Ink in a shadow is as dark as elsewhere, but lies less above the paper. Pale ink on light paper is print,
    and what goes on above or below the line is e.g. the grain of a dark table.

    Args:
        small: The scan in which the line is looked for.
        above_paper: How far it lies above the paper nearby.
        run: Length of a printed line.
        seen: The rows of the line, and the columns of it that need no further piece.
        beyond: Rows above and below the line to which its pieces may reach.
    """
    is_dark = small > LOOK.ground + LINE.ink_level
    shaded = ((above_paper > LINE.rule_level) & is_dark).view(np.uint8)
    beside = shaded[seen.top : seen.bottom]
    if not (beside[:, : max(0, seen.left)].any() or beside[:, seen.right :].any()):
        return []
    shaded &= ~(_runs(shaded, (1, run)) | _runs(shaded, (_upright_px(len(small)), 1)))
    pieces = _pieces(shaded)
    lefts = pieces[:, cv2.CC_STAT_LEFT]
    rights = lefts + pieces[:, cv2.CC_STAT_WIDTH]
    tops, ends = _rows_of(pieces)
    is_of_line = (tops >= seen.top - beyond) & (ends <= seen.bottom + beyond)
    sizes = np.maximum(ends - tops, rights - lefts)  # a dash is low
    is_of_line &= sizes >= LINE.tall_fraction * (seen.bottom - seen.top)
    chosen = is_of_line & ((lefts < seen.left) | (rights > seen.right))
    return [*zip(lefts[chosen].tolist(), rights[chosen].tolist(), strict=True)]


def _reduced(levels: Grey) -> tuple[Grey, int]:
    """Return a scan in which the line is looked for, and by what factor it was reduced."""
    factor = -(-levels.shape[0] // LINE.find_px)
    return reduce(levels, factor) if factor > 1 else levels, factor


def _upright_px(rows: int) -> int:
    return max(4, round(LINE.upright_fraction * rows))


def _runs(ink: Grey, kernel: tuple[int, int], slant_px: int = 1) -> Grey:
    """Return where ink, 0 or 1, runs along a kernel of this height and width, and the pixels beside it."""
    if kernel[0] > ink.shape[0] or kernel[1] > ink.shape[1]:
        return np.zeros_like(ink)
    if slant_px > 1:
        ink = cv2.dilate(ink, np.ones((slant_px, 1) if kernel[0] == 1 else (1, slant_px), np.uint8))
    # An opening gives the same, but its time for a pixel grows with the kernel: minutes for a very wide scan.
    is_full = (_sums(1 - ink, kernel) == 0).view(np.uint8)
    runs = (_sums(is_full, kernel) > 0).view(np.uint8)
    return np.asarray(cv2.dilate(runs, NEIGHBOURS))


def _sums(ink: Grey, kernel: tuple[int, int]) -> Grey:
    """Return how much ink, 0 or 1, a kernel of this height and width covers at each pixel, up to 255."""
    return np.asarray(cv2.boxFilter(ink, -1, kernel[::-1], normalize=False, borderType=cv2.BORDER_CONSTANT))


def _is_writing(ink: Grey, pieces: Grey) -> bool:
    """Return whether ink, in pieces, is a line of writing, and not the pattern of the paper."""
    count, _ = cv2.connectedComponents(pieces, connectivity=8)
    return 1 < count <= LINE.max_pieces and int(ink.sum()) <= LINE.max_ink_fraction * ink.size


def _pieces(ink: Grey) -> npt.NDArray[np.int32]:
    """Return the pieces of ink that are no dirt: left, top, width, height and area, (n, 5)."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    return np.asarray(stats[1:][stats[1:, cv2.CC_STAT_AREA] >= LINE.min_area_px])


def _rows_of(pieces: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the first row of each piece, and the one after its last."""
    tops = pieces[:, cv2.CC_STAT_TOP]
    return tops, tops + pieces[:, cv2.CC_STAT_HEIGHT]


def _extent(pieces: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Return the first row of the writing among some pieces, and the one after its last."""
    tops, ends = _rows_of(pieces)
    is_tall = ends - tops >= LINE.tall_fraction * (ends - tops).max()
    return int(tops[is_tall].min()), int(ends[is_tall].max())


def _touched(rims: Grey, columns: int) -> npt.NDArray[np.int32]:
    """Return in how many of the first columns ink touches the top and the bottom, (2, columns + 1)."""
    is_ink = rims > np.median(rims, axis=1, keepdims=True) + LINE.faint_level
    is_touched = np.zeros((2, columns + 1), np.int32)
    for side, row in enumerate(is_ink):
        is_touched[side, 1 + np.flatnonzero(row) * columns // len(row)] = 1
    return is_touched.cumsum(axis=1, dtype=np.int32)


def _at_rim(
    pieces: npt.NDArray[np.int32], rows: int, touched: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Return which pieces touch the top or the bottom of the scan."""
    tops, ends = _rows_of(pieces)
    first = pieces[:, cv2.CC_STAT_LEFT]
    at_top, at_bottom = touched[:, first + pieces[:, cv2.CC_STAT_WIDTH]] > touched[:, first]
    return np.asarray(((tops <= 1) & at_top) | ((ends >= rows - 1) & at_bottom))


def _are_cut_off(
    pieces: npt.NDArray[np.int32], rows: int, touched: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Return which pieces belong to lines above and below, of which the rim cuts off the rest."""
    tops, ends = _rows_of(pieces)
    at_rim = _at_rim(pieces, rows, touched)
    if at_rim.all():
        return np.zeros_like(at_rim)
    top, bottom = _extent(pieces[~at_rim])
    is_beyond = ((ends <= top + 1) | (tops >= bottom - 1)) & _is_low(pieces, bottom - top)
    # A digit of the line may touch the rim, too: then nobody knows which pieces are cut off.
    return at_rim if is_beyond[at_rim].all() else np.zeros_like(at_rim)


def _is_low(pieces: npt.NDArray[np.int32], tall: int) -> npt.NDArray[np.bool_]:
    """Return which pieces are too low for writing of a line so tall."""
    return np.asarray(pieces[:, cv2.CC_STAT_HEIGHT] <= LINE.cut_fraction * tall)


def _is_at_side(pieces: npt.NDArray[np.int32], columns: int, top: int, bottom: int) -> bool:
    """Return whether the left or the right rim cuts off a piece of a line."""
    tops, ends = _rows_of(pieces)
    first = pieces[:, cv2.CC_STAT_LEFT]
    at_side = (first == 0) | (first + pieces[:, cv2.CC_STAT_WIDTH] == columns)
    return bool((at_side & (tops < bottom) & (ends > top)).any())


def _is_thicker(sides: Grey, top: int, bottom: int) -> bool:
    """Return whether the sides of a cell have more ink beside a line: a digit of the line touches them."""
    inked = sides.sum(axis=1, dtype=np.int32)
    elsewhere = np.concatenate([inked[:top], inked[bottom:]])
    return bool(inked[top:bottom].mean() > np.median(elsewhere) + LINE.thicker_px)


def _has_other_ink(
    pieces: npt.NDArray[np.int32], at_rim: npt.NDArray[np.bool_], line: Place, tall: int
) -> bool:
    """Return whether there is much ink outside of a line that is not cut off by the rim."""
    tops, ends = _rows_of(pieces)
    x = pieces[:, cv2.CC_STAT_LEFT] + pieces[:, cv2.CC_STAT_WIDTH] / 2
    y = (tops + ends) / 2
    is_inside = (line.left <= x) & (x < line.right) & (line.top <= y) & (y < line.bottom)
    is_cut = at_rim & _is_low(pieces, tall)
    area = pieces[:, cv2.CC_STAT_AREA]
    return bool(area[~is_inside & ~is_cut].sum() > LINE.max_other_ink * area[is_inside].sum())
