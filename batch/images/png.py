"""The structure of a PNG: chunks, each with a checksum."""

from __future__ import annotations

import struct
import zlib

from batch.images.completeness import Container, check_size, raise_damaged, raise_truncated


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all chunks; see `formats.parse`."""
    size, position = len(data), 8
    width, height, _depth, colour = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR":
        raise_damaged("the first chunk of a PNG must be IHDR")
    check_size(width, height, max_pixels)
    pages, has_alpha, has_pixels = 1, colour >= 4, False
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
            has_alpha = True
        elif kind == b"acTL":
            pages = max(pages, int.from_bytes(data[position + 8 : position + 12], "big"))
        position = end
    if not has_pixels:
        raise_damaged("a PNG without pixels")
    return Container("png", width, height, pages, has_alpha)
