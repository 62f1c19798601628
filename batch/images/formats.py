"""The table of formats: the first bytes of a file decide which module parses it.

Each module walks over the structure of its format once. A decoder cannot replace this walk: it returns an
image for half a JPEG, and for a file whose second half was never written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NoReturn

from batch.errors import ImageError
from batch.images import bmp, gif, jpeg, png, pnm, tiff, webp
from batch.images.completeness import (
    ZERO_RUN_BYTES,
    Container,
    check_size,
    raise_damaged,
    raise_truncated,
    zero_tail,
)
from batch.records import Reason

_Parser = Callable[[bytes, int], Container]
_PARSERS: tuple[tuple[bytes, _Parser], ...] = (
    (b"\x89PNG\r\n\x1a\n", png.parse),
    (b"\xff\xd8\xff", jpeg.parse),
    (b"II*\0", tiff.parse),
    (b"MM\0*", tiff.parse),
    (b"II+\0", tiff.parse),
    (b"MM\0+", tiff.parse),
    (b"BM", bmp.parse),
    (b"RIFF", webp.parse),
    (b"GIF87a", gif.parse),
    (b"GIF89a", gif.parse),
    *(
        (b"P" + str(kind).encode() + space, pnm.parse)
        for kind in range(1, 7)
        for space in (b"\n", b" ", b"\t", b"\r", b"#")
    ),
)
_UNSUPPORTED = (
    b"%PDF",
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",  # JPEG 2000 without a container
    b"P7\n",  # PAM
    b"Pf\n",  # PFM
    b"PF\n",
    b"8BPS",  # Photoshop
)


def parse(data: bytes, max_pixels: int) -> Container:
    """Return what a file holds, after checking that the file is complete.

    Args:
        data: The whole file.
        max_pixels: Largest number of pixels that an image may have.

    Raises:
        ImageError: `not_an_image`, `unsupported`, `too_large`, `truncated` or `damaged`.
    """
    parser = next((parser for magic, parser in _PARSERS if data.startswith(magic)), None)
    if parser is None:
        _reject_unknown(data)
    try:
        container = parser(data, max_pixels)
    except (struct.error, IndexError) as error:
        raise ImageError(Reason.TRUNCATED, "it ends inside its header") from error
    except ImageError as error:
        if error.reason is Reason.DAMAGED and zero_tail(data, 0, len(data)) >= ZERO_RUN_BYTES:
            raise ImageError(Reason.TRUNCATED, "it ends in zeros: a copy that was not finished") from error
        raise
    if container.width_px < 1 or container.height_px < 1:
        raise_damaged("its header says that it has no pixels")
    check_size(container.width_px, container.height_px, max_pixels)
    return container


def _reject_unknown(data: bytes) -> NoReturn:
    if any(magic.startswith(data) for magic, _ in _PARSERS):
        raise_truncated("it ends within its first bytes")
    if data[4:8] == b"ftyp" or data.startswith(_UNSUPPORTED) or b"<svg" in data[:1024]:
        raise ImageError(Reason.UNSUPPORTED, "convert it to PNG, JPEG or TIFF")
    raise ImageError(Reason.NOT_AN_IMAGE, "its content is of no image format")
