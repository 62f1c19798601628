"""The structure of a GIF: frames and extensions, each made of short blocks."""

from __future__ import annotations

import struct

from batch.images import orientation
from batch.images.container import Container, check_pages, check_size, raise_damaged

_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9  # kind of extension that can make a colour transparent


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all blocks; see `formats.parse`."""
    width, height, flags, aspect = struct.unpack_from("<HHBxB", data, 6)
    position = 13 + _palette_bytes(flags)
    check_size(width, height, max_pixels)
    pages, has_alpha = 0, False
    while True:
        block = data[position]
        if block == _END:
            break
        if block == _EXTENSION:
            if data[position + 1] == _GRAPHIC_CONTROL and data[position + 3] & 1:
                has_alpha = True
            position += 2
        elif block == _FRAME:
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            check_size(width, height, max_pixels)
            position += 11 + _palette_bytes(flags)
            pages += 1
            check_pages(pages)
        else:
            raise_damaged("an unknown GIF block")
        while data[position]:
            position += 1 + data[position]
        position += 1
    if not pages:
        raise_damaged("a GIF without pixels")
    # The number of the aspect is 64 times the width of a pixel divided by its height, less 15.
    return Container(
        "gif",
        width,
        height,
        pages,
        has_alpha,
        aspect=orientation.aspect_of(64, aspect + 15) if aspect else 1.0,
        is_coloured=True,
    )


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
