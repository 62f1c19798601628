"""The structure of a BMP: a header that says where the pixels are, and the pixels."""

from __future__ import annotations

import struct

from batch.errors import ImageError
from batch.images import orientation
from batch.images.completeness import check_pixels, check_rest
from batch.images.container import Container, check_size, raise_damaged, raise_truncated
from batch.records import Reason

_OLD_HEADER_BYTES = 12  # OS/2 1.x; the only header with numbers of 16 bits and no compression
HEADER_BYTES = frozenset((_OLD_HEADER_BYTES, 40, 52, 56, 64, 108, 124))  # that OpenCV reads
_DEPTHS = frozenset((1, 2, 4, 8, 16, 24, 32))
_UNCOMPRESSED = frozenset((0, 3, 6))  # plain, with colour masks, with colour and alpha masks
_RUN_LENGTHS = frozenset((1, 2))


def parse(data: bytes, max_pixels: int) -> Container:
    """Read the header and check that all pixels are there; see `formats.parse`."""
    file_size, pixels_start, header = struct.unpack_from("<I4xII", data, 2)
    if header not in HEADER_BYTES:
        raise ImageError(Reason.UNSUPPORTED, "an unusual BMP: convert it to PNG")
    if header == _OLD_HEADER_BYTES:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression, pixels_size = 0, 0
    else:
        width, height, _, depth, compression, pixels_size = struct.unpack_from("<iiHHII", data, 18)
    if depth not in _DEPTHS:
        raise_damaged("its BMP header makes no sense")
    check_size(abs(width), abs(height), max_pixels)
    if compression in _UNCOMPRESSED:
        row_bytes = (width * depth + 31) // 32 * 4
        end = pixels_start + row_bytes * abs(height)
        if end > len(data):
            raise_truncated("its BMP pixels are cut off")
        check_pixels(data, pixels_start, end, row_bytes, row_bytes - (width * depth + 7) // 8)
    elif compression in _RUN_LENGTHS:
        end = pixels_start + pixels_size
        if max(end, file_size) > len(data) or b"\0\1" not in data[end - 4 : end]:
            raise_truncated("its BMP pixels are cut off")
    else:
        raise ImageError(Reason.UNSUPPORTED, "an unusual BMP: convert it to PNG")
    if file_size >= end:  # some writers leave the size out
        check_rest(data, file_size)
    # Most writers leave the fourth byte of a pixel unused. It is transparency only if a mask says so.
    has_mask = depth == 32 and ((header >= 56 and compression == 3) or compression == 6)
    mask = data[66:70] if has_mask else b""
    place = len(mask) - len(mask.lstrip(b"\0"))
    # Some writers leave all of it 0 in spite of that, and mean opaque pixels.
    has_alpha = place < len(mask) and any(data[pixels_start + place : end : 4])
    aspect = orientation.aspect_of(*struct.unpack_from("<ii", data, 38)) if header >= 40 else 1.0
    return Container("bmp", width, abs(height), has_alpha=has_alpha, aspect=aspect, is_coloured=True)
