"""The structure of a JPEG: segments that begin with a marker, and entropy-coded data after some of them."""

from __future__ import annotations

import re
import struct

from batch.errors import ImageError
from batch.images import exif, orientation
from batch.images.container import Container, check_size, raise_damaged, raise_truncated
from batch.records import Reason

MAX_SCANS = 100  # encoders write about ten; each takes as long to decode as a whole image

# In entropy-coded data FF00 is a byte, FFD0 to FFD7 are restarts, and FFFF begins with a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of the segments that give the size
_START_OF_SCAN, _END_OF_IMAGE, _JFIF, _EXIF, _JPEG_LS = 0xDA, 0xD9, 0xE0, 0xE1, 0xF7


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all segments; see `formats.parse`."""
    position, width, height, scans, components = 2, 0, 0, 0, 1
    lie, density = exif.Exif(), 1.0
    while True:
        if data[position] != 0xFF:
            raise_damaged("a JPEG marker is missing")
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _END_OF_IMAGE:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            position += 2
            continue
        if marker == _JPEG_LS:
            raise ImageError(Reason.UNSUPPORTED, "a JPEG-LS: convert it to PNG")
        (length,) = struct.unpack_from(">H", data, position + 2)
        if length < 2:
            raise_damaged("a JPEG segment has no length")
        if marker in _FRAMES:
            precision, height, width, components = struct.unpack_from(">BHHB", data, position + 4)
            if precision != 8:
                raise ImageError(Reason.UNSUPPORTED, f"a JPEG of {precision} bits: convert it to PNG")
            check_size(width, height, max_pixels)
        elif marker == _JFIF and data[position + 4 : position + 9] == b"JFIF\0":
            density = orientation.aspect_of(*struct.unpack_from(">HH", data, position + 12))
        elif marker == _EXIF and data[position + 4 : position + 10] == b"Exif\0\0":
            lie = exif.parse(data[position + 4 : position + 2 + length])
        position += 2 + length
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise_damaged("a JPEG with more scans than an encoder writes")
            match = _MARKER.search(data, position)
            if match is None:
                raise_truncated("a JPEG without its end marker")
            position = match.start()
    if not scans or not width:
        raise_damaged("a JPEG without pixels")
    aspect = density if density != 1 else lie.aspect
    return Container(
        "jpeg", width, height, orientation=lie.orientation, aspect=aspect, is_coloured=components > 1
    )
