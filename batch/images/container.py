"""The record of what a file holds, and the bounds and errors that all formats share."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from batch.errors import ImageError
from batch.records import Reason

MIN_SIDE_PX = 4
BYTES_PER_PIXEL = 8  # of 16-bit RGB with alpha; no format needs more
SPARE_BYTES = 1 << 20  # room for headers and profiles beside the pixels
MAX_PAGES = 10_000  # of a file; the rows of all of them are in memory before digitbox publishes them


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


def check_side(height_px: int, width_px: int) -> None:
    """Check that an image is not too small for a digit.

    Raises:
        ImageError: `too_small`.
    """
    if min(height_px, width_px) < MIN_SIDE_PX:
        raise ImageError(Reason.TOO_SMALL, f"{width_px} x {height_px} pixels are too few for a digit")


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
