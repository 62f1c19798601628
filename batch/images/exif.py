"""What EXIF says of how the pixels of a JPEG, PNG or WebP lie."""

from __future__ import annotations

import struct
from typing import NamedTuple

from batch.errors import ImageError
from batch.images import orientation
from batch.images.tiff_directory import ORIENTATION, X_RESOLUTION, Y_RESOLUTION, Walk

_START = b"Exif\0\0"
_LAYOUTS = (b"II*\0", b"MM\0*")


class Exif(NamedTuple):
    """How the pixels lie.

    Attributes:
        orientation: 1 (upright) to 8.
        aspect: The width of a pixel divided by its height.
    """

    orientation: int = 1
    aspect: float = 1.0


def parse(body: bytes) -> Exif:
    """Read EXIF; what is damaged or missing counts as upright and square."""
    content = body.removeprefix(_START)
    if not content.startswith(_LAYOUTS):
        return Exif()
    try:
        walk = Walk(content)
        (offset,) = walk.unpack(walk.layout.offset, walk.layout.first_offset)
        tags, _ = walk.directory(offset)
    except (ImageError, struct.error):
        return Exif()
    (turn, *_), (x_density, *_), (y_density, *_) = (
        tags.get(tag, (default,)) for tag, default in ((ORIENTATION, 1), (X_RESOLUTION, 1), (Y_RESOLUTION, 1))
    )
    return Exif(int(turn), orientation.aspect_of(x_density, y_density))
