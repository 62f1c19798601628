"""The record of what a file holds, and the checks that all of the file is there; every format uses them."""

from __future__ import annotations

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
BLACK_GROUND_FRACTION = 0.25  # of the pixels before the tail; on black ground, more are zero


@dataclass(frozen=True, slots=True)
class Container:
    """The structure of an image file, as its headers describe it.

    Attributes:
        kind: `png`, `jpeg`, `tiff`, `bmp`, `webp`, `gif` or `pnm`.
        width_px: Width in pixels, before any rotation.
        height_px: Height in pixels, before any rotation.
        pages: Number of pages or frames, at least 1.
        has_alpha: True if pixels can be transparent.
        white: The brightest value that 8-bit pixels can have, 1 to 255.
    """

    kind: str
    width_px: int
    height_px: int
    pages: int = 1
    has_alpha: bool = False
    white: int = 255


def raise_truncated(detail: str) -> NoReturn:
    """Raise the error that says that the end of the file is missing."""
    raise ImageError(Reason.TRUNCATED, detail)


def raise_damaged(detail: str) -> NoReturn:
    """Raise the error that says that the file contradicts itself."""
    raise ImageError(Reason.DAMAGED, detail)


def check_size(width_px: int, height_px: int, max_pixels: int) -> None:
    """Check the size of an image as soon as a header gives it, before any step that takes time or memory.

    Raises:
        ImageError: `too_large`, if the image has more than `max_pixels`.
    """
    if width_px * height_px > max_pixels:
        raise ImageError(Reason.TOO_LARGE, f"{width_px} x {height_px} pixels are more than {max_pixels}")


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


def check_pixels(data: bytes, start: int, end: int) -> None:
    """Check that uncompressed pixels do not end in zeros while few of the pixels before are zero.

    Args:
        data: The whole file.
        start: Position of the first byte of the pixels.
        end: Position after their last byte.

    Raises:
        ImageError: `truncated`, if the last pixels look as if nobody had written them.
    """
    size, zeros = end - start, zero_tail(data, start, end)
    if zeros == size or zeros < SUSPECT_FRACTION * size:
        return
    zeros_before = data.count(0, start, end - zeros)
    if zeros >= UNFINISHED_FRACTION * size or zeros_before < BLACK_GROUND_FRACTION * (size - zeros):
        raise_truncated("its pixels end in zeros: a copy that was not finished")
