"""What a file is found to be, and the proofs that all of it is there; shared by the formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from batch.errors import ImageError
from batch.records import Reason

# A copy that was preallocated and not finished ends in zeros.
ZERO_RUN_BYTES = 32  # no encoder ends compressed data with so many
ZERO_RUN_FRACTION = 1 / 16
ZERO_PIXELS_FRACTION = 0.45  # of uncompressed pixels; a digit on black ground leaves fewer below it
ZERO_PAPER_FRACTION = 1 / 8  # where the other pixels show that zero is not the ground
ZERO_ELSEWHERE_FRACTION = 0.25


@dataclass(frozen=True, slots=True)
class Container:
    """What a file holds.

    Attributes:
        kind: `png`, `jpeg`, `tiff`, `bmp`, `webp`, `gif` or `pnm`.
        width_px, height_px: as the header says, before any rotation.
        pages: pages or frames.
        has_alpha: whether pixels can be transparent.
        white: the brightest value that 8-bit pixels can have.
    """

    kind: str
    width_px: int
    height_px: int
    pages: int = 1
    has_alpha: bool = False
    white: int = 255


def raise_truncated(detail: str) -> NoReturn:
    """Raises that the end of the file is missing."""
    raise ImageError(Reason.TRUNCATED, detail)


def raise_damaged(detail: str) -> NoReturn:
    """Raises that the file contradicts itself."""
    raise ImageError(Reason.DAMAGED, detail)


def check_size(width_px: int, height_px: int, max_pixels: int) -> None:
    """Checks a size as soon as a header tells it, before anything that takes its time or memory."""
    if width_px * height_px > max_pixels:
        raise ImageError(Reason.TOO_LARGE, f"{width_px} x {height_px} pixels are more than {max_pixels}")


def zero_tail(data: bytes, start: int, end: int) -> int:
    """Number of zero bytes at the end of `data[start:end]`."""
    if end <= start or data[end - 1]:
        return 0
    return end - start - len(data[start:end].rstrip(b"\0"))


def check_compressed(
    data: bytes, start: int, end: int, usual: int = 4, run_bytes: int = ZERO_RUN_BYTES
) -> None:
    """Checks that compressed data do not end in more zeros than an encoder writes.

    Args:
        data: the whole file.
        start: of the compressed data.
        end: of the compressed data.
        usual: zeros that short data may end with.
        run_bytes: that long data may not end with.
    """
    zeros = zero_tail(data, start, end)
    if zeros >= run_bytes or zeros > max(usual, (end - start) * ZERO_RUN_FRACTION):
        raise_truncated("its data end in zeros: a copy that was not finished")


def check_pixels(data: bytes, start: int, end: int) -> None:
    """Uncompressed pixels may well be zero, but not a large part of the end while the rest never is."""
    size, zeros = end - start, zero_tail(data, start, end)
    if zeros == size or zeros < ZERO_PAPER_FRACTION * size:
        return
    elsewhere = data.count(0, start, end - zeros)
    if zeros >= ZERO_PIXELS_FRACTION * size or elsewhere < ZERO_ELSEWHERE_FRACTION * (size - zeros):
        raise_truncated("its pixels end in zeros: a copy that was not finished")
