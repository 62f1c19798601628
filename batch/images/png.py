"""The structure of a PNG: chunks, each with a checksum."""

from __future__ import annotations

import struct
import zlib

from batch.images import exif, orientation
from batch.images.container import Container, check_pages, check_size, raise_damaged, raise_truncated

_GREY = 0
_DEPTHS = frozenset((1, 2, 4, 8, 16))


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all chunks; see `formats.parse`."""
    size, position = len(data), 8
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR":
        raise_damaged("the first chunk of a PNG must be IHDR")
    if depth not in _DEPTHS:
        raise_damaged("its PNG header makes no sense")
    check_size(width, height, max_pixels)
    pages, frames, has_alpha, has_pixels, transparent = 1, 0, colour >= 4, False, -1
    lie, density = exif.Exif(), 1.0
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > size:
            raise_truncated("a PNG chunk is cut off")
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise_damaged("the checksum of a PNG chunk is wrong")
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            has_pixels = True
        elif kind == b"tRNS":
            if colour == _GREY:  # OpenCV does not look at it
                level = int.from_bytes(data[position + 8 : position + 10], "big")
                transparent = level * 255 // ((1 << depth) - 1) if depth < 8 else level
            else:
                has_alpha = True
        elif kind == b"eXIf":
            lie = exif.parse(data[position + 8 : end - 4])
        elif kind == b"pHYs":
            density = orientation.aspect_of(*struct.unpack_from(">II", data, position + 8))
        elif kind == b"acTL":
            pages = int.from_bytes(data[position + 8 : position + 12], "big")
            check_pages(pages)
        elif kind == b"fcTL":  # an image without one, before the frames, is for programs that show no frames
            frames += 1
            frame_width, frame_height = struct.unpack_from(">II", data, position + 12)
            check_size(frame_width, frame_height, max_pixels)
        position = end
    if not has_pixels:
        raise_damaged("a PNG without pixels")
    if pages > 1 and pages != frames:
        raise_damaged("a PNG has not the frames that it says")
    return Container(
        "png",
        width,
        height,
        pages,
        has_alpha,
        orientation=lie.orientation,
        aspect=density,
        is_coloured=bool(colour & 2),
        transparent=transparent,
    )
