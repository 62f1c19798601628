"""The structure of a JPEG 2000: a codestream with markers, mostly in boxes."""

from __future__ import annotations

import struct

from batch.errors import ImageError
from batch.images import boxes
from batch.images.container import Container, check_size, raise_damaged, raise_truncated
from batch.records import Reason

START, END = b"\xff\x4f\xff\x51", b"\xff\xd9"
_SRGB, _GREY = 16, 17  # enumerated colour spaces


def parse(data: bytes, max_pixels: int) -> Container:
    """Find the codestream, and check its header and its end; see `formats.parse`."""
    start, end = 0, len(data)
    headers: list[boxes.Box] = []
    if not data.startswith(START):
        stream = None
        for box in boxes.walk(data):
            if box.kind == b"jp2h":
                headers.append(box)
            elif box.kind == b"jp2c" and stream is None:  # the decoder goes by the first
                stream = box
        if stream is None:
            raise_damaged("a JPEG 2000 without pixels")
        start, end = stream.start, stream.end
    if data[start : start + 4] != START:
        raise_damaged("a JPEG 2000 without a size")
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    width, height = right - left, bottom - top
    check_size(width, height, max_pixels)
    for header in headers:
        _check_colours(data, header)
    channels, depth = struct.unpack_from(">HB", data, start + 40)
    if not data[start:end].rstrip(b"\0\r\n").endswith(END):
        raise_truncated("the end of a JPEG 2000 is missing")
    if channels > 4:
        raise ImageError(Reason.UNSUPPORTED, "an unusual JPEG 2000: convert it to PNG")
    return Container("jpeg 2000", width, height, white=(1 << (depth & 0x7F) + 1) - 1)


def _check_colours(data: bytes, header: boxes.Box) -> None:
    """Check that the decoder gives the colours as they are: it knows no palettes and no inks."""
    for box in boxes.walk(data, header.start, header.end):
        is_listed = box.kind == b"colr" and data[box.start] == 1
        space = struct.unpack_from(">I", data, box.start + 3)[0] if is_listed else _SRGB
        if box.kind == b"pclr" or space not in (_SRGB, _GREY):
            raise ImageError(Reason.UNSUPPORTED, "an unusual JPEG 2000: convert it to PNG")
