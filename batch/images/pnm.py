"""The structure of a PNM: a header of text, then pixels as text (P1 to P3) or as bytes (P4 to P6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

import numpy as np

from batch.errors import ImageError
from batch.images.completeness import check_pixels, check_rest
from batch.images.container import Container, check_pages, check_size, raise_damaged, raise_truncated
from batch.records import Reason

MAX_NUMBER_DIGITS = 10  # of a number in the header; no size needs more, and Python reads long ones slowly

MAX_COMMENTS = 1_000_000  # no program writes so many, and each takes time
PART_BYTES = 1 << 20  # of pixels written as text, which digitbox reads at a time

# Plain patterns in loops: one that can step back remembers each space, and in Python 3.11.2, which Debian 12
# has, a possessive group of alternatives is wrong about comments.
_GAP, _DIGITS = re.compile(rb"\s+|#[^\n\r]*[\n\r]"), re.compile(rb"\d+")
_REST = re.compile(rb"[\s0-9]+|#[^\n\r]*")
_SPACE, _LINE_END = re.compile(rb"\s"), re.compile(rb"[\n\r]")
_KINDS = (b"1", b"2", b"3", b"4", b"5", b"6")
_TEXT = b"0123456789 \t\r\n\v\f"
_COMMENT = re.compile(rb"#[^\n\r]*")
# A comment may touch the number before it if it is empty, or if no more numbers follow.
_TOUCHING = re.compile(rb"#[ \t]*[^ \t\n\r]")


def parse(data: bytes, max_pixels: int) -> Container:
    """Read the headers and check that all pixels are there; see `formats.parse`."""
    pages: list[Container] = []
    start = 0
    while data[start : start + 1] == b"P" and data[start + 1 : start + 2] in _KINDS:
        check_pages(len(pages) + 1)
        page, end = _image(data, start, max_pixels)
        pages.append(replace(page, span=(start, end)))
        start = end + len(data[end : end + 3]) - len(data[end : end + 3].lstrip())
    check_rest(data, start)
    return pages[0] if len(pages) == 1 else Container("pnm", 1, 1, len(pages), page_list=tuple(pages))


def _image(data: bytes, first: int, max_pixels: int) -> tuple[Container, int]:
    """Return what the image at a position holds, and the position after it."""
    kind = data[first + 1] - ord("0")
    header, position = _header(data, first + 2, 2 if kind in (1, 4) else 3)
    width, height, white = (*header, 1)[:3]
    check_size(width, height, max_pixels)
    if not 0 < white < 65536:
        raise ImageError(Reason.UNSUPPORTED, "an unusual PNM: convert it to PNG")
    is_coloured = kind in (3, 6)
    values = width * height * (3 if is_coloured else 1)
    page = Container("pnm", width, height, is_coloured=is_coloured)
    if data[position : position + 1] == b"#" and kind > 3:  # for some programs, its end begins the pixels
        _raise_touching()
    if kind <= 3:
        _check_text(data, position, kind, values, white)
        return page, len(data)
    start = position + 1
    end = start + ((width + 7) // 8 * height if kind == 4 else values * (2 if white > 255 else 1))
    row_bytes = (end - start) // max(1, height)
    if end > len(data):
        raise_truncated("the pixels of a PNM are cut off")
    check_pixels(data, start, end, max(1, row_bytes))
    # OpenCV stretches a darker white by itself in P1 to P3.
    return replace(page, white=white if kind in (5, 6) and white < 255 else 255), end


def _header(data: bytes, position: int, length: int) -> tuple[list[int], int]:
    """Return the numbers of the header that go on at a position, and the position after them."""
    numbers: list[int] = []
    while len(numbers) < length:
        found = _DIGITS.match(data, _pass_over(_GAP, data, position))
        if found is None or found.end() == len(data):
            if _pass_over(_REST, data, position) < len(data):
                raise ImageError(Reason.NOT_AN_IMAGE, "it begins like a PNM, but is none")
            raise_truncated("it ends inside its header")
        if len(found[0]) > MAX_NUMBER_DIGITS:
            raise_damaged("its PNM header makes no sense")
        numbers.append(int(found[0]))
        position = found.end()
        if _TOUCHING.match(data, position):
            _raise_touching()
    return numbers, position


def _pass_over(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    """Return the position after all that a pattern matches from a position on."""
    for _ in range(MAX_COMMENTS):
        found = pattern.match(data, position)
        if found is None or found.end() == position:
            return position
        position = found.end()
    raise_damaged("it has too many comments")


def _has_touching(data: bytes, start: int) -> bool:
    """Return whether a comment touches a pixel from a position on, and more pixels follow it."""
    touches, end = False, start
    for number, comment in enumerate(_COMMENT.finditer(data, start)):
        if number == MAX_COMMENTS:
            raise_damaged("it has too many comments")
        if touches and data[end : comment.start()].strip():
            return True
        is_after_pixel = data[comment.start() - 1 : comment.start()].isdigit()
        touches = touches or (is_after_pixel and _TOUCHING.match(comment[0]) is not None)
        end = comment.end()
    return touches and bool(data[end:].strip())


def _raise_touching() -> NoReturn:
    """Raise the error that says that programs read a PNM differently, and OpenCV may read its comment."""
    raise ImageError(Reason.UNSUPPORTED, "a comment touches a number of a PNM: convert it to PNG")


def _check_text(data: bytes, start: int, kind: int, values: int, white: int) -> None:
    """Check that pixels written as text are numbers, and as many as the header says."""
    if values > len(data):
        raise_truncated("the pixels of a PNM are cut off")
    if kind > 1 and _has_touching(data, start):
        _raise_touching()
    count = last = 0
    for text in _texts(data, start):
        if text.translate(None, _TEXT):
            raise_damaged("the pixels of a PNM are no numbers")
        if kind == 1:
            count += text.count(b"0") + text.count(b"1")
        elif not text.isspace():
            # A number that is too large for 64 bits becomes the largest.
            numbers = np.fromstring(text.strip(), np.int64, sep=" ")
            if numbers[: max(0, values - count)].max(initial=0) > white:
                raise_damaged("a pixel of a PNM is brighter than white")
            count += len(numbers)
            last = 0 if text[-1:].isspace() else int(numbers[-1])
    if 0 < last * 10 <= white:  # no space ends it, so more of its digits may be missing
        count -= 1
    if count < values:
        raise_truncated("the pixels of a PNM are cut off")


def _texts(data: bytes, start: int) -> Iterator[bytes]:
    """Yield the text from a position on without its comments, in parts that end after a space."""
    while start < len(data):
        space = _SPACE.search(data, start + PART_BYTES)
        end = len(data) if space is None else space.end()
        line = max(data.rfind(b"\n", start, end), data.rfind(b"\r", start, end)) + 1
        if data.find(b"#", max(start, line), end) >= 0:  # a comment goes on to the end of its line
            line_end = _LINE_END.search(data, end)
            end = len(data) if line_end is None else line_end.end()
        text = _COMMENT.sub(b"", data[start:end])
        if text:
            yield text
        start = end
