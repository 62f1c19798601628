"""The record of what a file holds, and the checks that all of the file is there; every format uses them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from batch.errors import ImageError
from batch.records import Reason

# A copy that was preallocated and never finished ends in zeros. tests/images/test_formats.py holds these
# limits to flat images, to digits on black ground and to copies of half a file.
ZERO_RUN_BYTES = 32  # no encoder ends compressed data with this many zeros
ZERO_RUN_FRACTION = 1 / 16  # of short compressed data; no encoder ends them with a larger share of zeros
SUSPECT_FRACTION = 1 / 8  # of uncompressed pixels; a shorter tail of zeros is no sign of anything
UNFINISHED_FRACTION = 0.45  # of uncompressed pixels; below a digit on black ground, fewer are zero
BYTES_PER_PIXEL = 8  # of 16-bit RGB with alpha; no format needs more
SPARE_BYTES = 1 << 20  # room for headers and profiles beside the pixels
MAX_PAGES = 10_000  # of a file; the rows of all of them are in memory before digitbox publishes them
MIN_REST_BYTES = 4  # fewer zeros at the end are no sign of anything
PADDING_BYTES = 128  # the smallest blocks that programs fill up with zeros
BLOCK_BYTES = 4096  # copies are written in multiples of this
TAPERED_FRACTION = 0.75  # of the width of a stroke; the last row but one of its end is thinner
TAPER_ROWS = 7  # that digitbox compares with the last
LINE_WIDTH = 1.5  # times the width of the ink in most rows
BLACK_GROUND_FRACTION = 0.25  # of the pixels before the tail; on black ground, more are zero


@dataclass(frozen=True, slots=True)
class Container:
    """The structure of an image file, as its headers describe it.

    Attributes:
        kind: The format, e.g. `png`; `codecs.KINDS` are those that OpenCV does not decode.
        width_px: Width in pixels, before any rotation.
        height_px: Height in pixels, before any rotation.
        pages: Number of pages or frames, at least 1.
        page_list: What each page of a TIFF or PNM of several pages holds, or why it cannot be read. The other
            attributes but `kind` and `pages` have no meaning then.
        has_alpha: True if pixels can be transparent.
        white: The brightest value that pixels can have: 1 to 255, or more in `codecs.KINDS`.
        orientation: How to turn the pixels upright, as EXIF and TIFF number it: 1 (upright) to 8.
        aspect: The width of a pixel divided by its height.
        is_coloured: True if pixels can have a colour; not set for `codecs.KINDS`.
        needs_extra: True if OpenCV does not read a TIFF, or reads it wrong, and the extra `formats` does.
        is_inverted: True if OpenCV gives the inverse.
        transparent: The grey that is transparent in a PNG without an alpha channel, or -1.
        page_offset: Position of the directory of the page of a TIFF.
        span: Positions of the first byte of a PNM and after its last; the whole file if empty.
        patches: Bytes to replace before OpenCV decodes the file, each with its position.
    """

    kind: str
    width_px: int
    height_px: int
    pages: int = 1
    has_alpha: bool = False
    white: int = 255
    orientation: int = 1
    aspect: float = 1.0
    is_coloured: bool = False
    needs_extra: bool = False
    is_inverted: bool = False
    transparent: int = -1
    page_offset: int = 0
    span: tuple[int, ...] = ()
    patches: tuple[tuple[int, bytes], ...] = ()
    page_list: tuple[Container | ImageError, ...] = ()


def raise_truncated(detail: str) -> NoReturn:
    """Raise the error that says that the end of the file is missing."""
    raise ImageError(Reason.TRUNCATED, detail)


def raise_damaged(detail: str) -> NoReturn:
    """Raise the error that says that the file contradicts itself."""
    raise ImageError(Reason.DAMAGED, detail)


@contextmanager
def reading_structure() -> Iterator[None]:
    """Turn what Python raises where a file ends inside its structure into an `ImageError`, `truncated`."""
    try:
        yield
    except (struct.error, IndexError) as error:
        raise ImageError(Reason.TRUNCATED, "it ends inside its header") from error


def check_size(width_px: int, height_px: int, max_pixels: int) -> None:
    """Check the size of an image as soon as a header gives it, before any step that takes time or memory.

    Raises:
        ImageError: `too_large`, if the image has more than `max_pixels`.
    """
    if width_px * height_px > max_pixels:
        raise ImageError(Reason.TOO_LARGE, f"{width_px} x {height_px} pixels are more than {max_pixels}")


def max_bytes(pixels: int) -> int:
    """Return the size of the largest file that an image of so many pixels can have."""
    return pixels * BYTES_PER_PIXEL + SPARE_BYTES


def check_pages(count: int) -> None:
    """Check the number of pages as soon as it is known, before any step that takes time or memory.

    Raises:
        ImageError: `too_large`, if the file has more than `MAX_PAGES`.
    """
    if count > MAX_PAGES:
        raise ImageError(Reason.TOO_LARGE, f"it has more than {MAX_PAGES} pages: split it")


def zero_tail(data: bytes, start: int, end: int) -> int:
    """Return the number of zero bytes at the end of `data[start:end]`."""
    if end <= start or data[end - 1]:
        return 0
    return end - start - len(data[start:end].rstrip(b"\0"))


def check_compressed(
    data: bytes, start: int, end: int, usual: int = 4, run_bytes: int = ZERO_RUN_BYTES
) -> None:
    """Check that compressed data do not end in more zeros than an encoder writes.

    Args:
        data: The whole file.
        start: Position of the first byte of the compressed data.
        end: Position after their last byte.
        usual: Number of zeros that data of any length may end with.
        run_bytes: Number of zeros that no data may end with.

    Raises:
        ImageError: `truncated`, if the data end in too many zeros.
    """
    zeros = zero_tail(data, start, end)
    if zeros >= run_bytes or zeros > max(usual, (end - start) * ZERO_RUN_FRACTION):
        raise_truncated("its data end in zeros: a copy that was not finished")


def check_rest(data: bytes, end: int) -> None:
    """Check that nothing but padding follows the last byte of an image: bytes were inserted otherwise.

    Args:
        data: The whole file.
        end: Position after the last byte.

    Raises:
        ImageError: `damaged`.
    """
    rest = data[end:].rstrip(b" \t\r\n\v\f\x1a")
    if rest.strip(b"\0") or (len(rest) >= MIN_REST_BYTES and len(data) % PADDING_BYTES):
        raise_damaged("it is longer than its header says")


def check_pixels(
    data: bytes, start: int, end: int, row_bytes: int, padding_bytes: int = 0, offset: int = 0
) -> None:
    """Check that uncompressed pixels do not end in zeros that nobody wrote.

    Args:
        data: The whole file.
        start: Position of the first byte of the pixels.
        end: Position after their last byte.
        row_bytes: Size of a row.
        padding_bytes: Size of what no pixel uses at the end of a row.
        offset: Position in the file of the first byte of `data`.

    Raises:
        ImageError: `truncated`, if the last pixels look as if nobody had written them.
    """
    size, zeros = end - start, zero_tail(data, start, end)
    if zeros == size or zeros < SUSPECT_FRACTION * size:
        return
    padding = (size - zeros) // row_bytes * padding_bytes
    zeros_before = data.count(0, start, end - zeros) - padding
    is_unfinished = zeros_before < BLACK_GROUND_FRACTION * (size - zeros - padding)
    if is_unfinished or (
        zeros >= UNFINISHED_FRACTION * size and _is_cut(data, start, end - zeros, row_bytes, offset)
    ):
        raise_truncated("its pixels end in zeros: a copy that was not finished")


def _is_cut(data: bytes, start: int, end: int, row_bytes: int, offset: int) -> bool:
    """Return whether ink ends where a copy can have stopped, on paper of zeros.

    Copies stop at the end of a block. Ink that is cut there has its whole width in its last rows, and would
    go on in the next row. A stroke that ends by itself grows thinner. A line that runs along the last rows
    ends there by itself, too.
    """
    next_block = -(-(end + offset) // BLOCK_BYTES) * BLOCK_BYTES - offset
    if next_block > end + row_bytes * 3 // 2:
        return False
    last = (end - 1 - start) // row_bytes  # a copy may have stopped inside this row
    starts = range(start, start + last * row_bytes, row_bytes)
    widths = [row_bytes - data.count(0, row, row + row_bytes) for row in starts]
    inked = sorted(width for width in widths if width)
    if not inked:
        return False
    is_tapered = widths[-1] <= TAPERED_FRACTION * max(widths[-TAPER_ROWS:])
    return not is_tapered and widths[-1] < LINE_WIDTH * inked[len(inked) // 2]
