"""The structure of a WebP: chunks of a RIFF file."""

from __future__ import annotations

import struct

from batch.errors import ImageError
from batch.images import exif
from batch.images.completeness import check_compressed
from batch.images.container import Container, check_pages, check_size, raise_damaged, raise_truncated
from batch.records import Reason

# Lossy data of one colour (a digit drawn by transparency alone) end in zeros, a few percent of the data.
LOSSY_ZEROS = 16  # more than short data of one colour end with


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all chunks; see `formats.parse`."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if data[8:12] != b"WEBP":
        if len(data) < 12:
            raise_truncated("it ends within its first bytes")
        raise ImageError(Reason.NOT_AN_IMAGE, "a RIFF file, but no WebP")
    end = riff_size + 8
    if end > len(data):
        raise_truncated("a WebP is cut off")
    position, width, height, frames, has_alpha, has_pixels = 12, 0, 0, 0, False, False
    lie = exif.Exif()
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        body, position = position + 8, position + 8 + length + length % 2
        if body + length > end:
            raise_truncated("a WebP chunk is cut off")
        if kind == b"VP8X":
            if width or has_pixels:  # the decoder would pass it over, with the size that it says
                raise_damaged("a WebP says its size twice")
            has_alpha = bool(data[body] & 0x10)
            width = 1 + int.from_bytes(data[body + 4 : body + 7], "little")
            height = 1 + int.from_bytes(data[body + 7 : body + 10], "little")
            check_size(width, height, max_pixels)
        elif kind == b"EXIF":
            lie = exif.parse(data[body : body + length])
        elif kind == b"ANMF":
            frames, has_pixels = frames + 1, True
            check_pages(frames)
            check_compressed(data, body, body + length)
        elif kind == b"VP8 ":
            has_pixels = True
            if not width:
                width, height = struct.unpack_from("<HH", data, body + 6)
                width, height = width & 0x3FFF, height & 0x3FFF
            check_compressed(data, body, body + length, usual=LOSSY_ZEROS, run_bytes=length + 1)
        elif kind == b"VP8L":
            has_pixels = True
            (bits,) = struct.unpack_from("<I", data, body + 1)
            if not width:
                width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
                has_alpha = bool(bits >> 28 & 1)
            check_compressed(data, body, body + length)
    if not has_pixels:
        raise_damaged("a WebP without pixels")
    return Container(
        "webp",
        width,
        height,
        max(1, frames),
        has_alpha,
        orientation=lie.orientation,
        aspect=lie.aspect,
        is_coloured=True,
    )
