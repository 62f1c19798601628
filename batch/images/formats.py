"""The table of formats: the first bytes of a file decide which module parses it.

Each module walks over the structure of its format once. A decoder cannot replace this walk: it returns an
image for half a JPEG, and for a file whose second half was never written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from batch.errors import ImageError
from batch.images import bmp, gif, heif, jpeg, jpeg2000, jpegxl, pdf, png, pnm, tiff, webp
from batch.images.completeness import ZERO_RUN_BYTES, zero_tail
from batch.images.container import Container, check_size, raise_damaged, raise_truncated, reading_structure
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
    (b"\0\0\0\x0cjP  ", jpeg2000.parse),
    (jpeg2000.START, jpeg2000.parse),
    (b"\0\0\0\x0cJXL ", jpegxl.parse),
    (jpegxl.START, jpegxl.parse),
    *(
        (b"P" + str(kind).encode() + space, pnm.parse)
        for kind in range(1, 7)
        for space in (b"\n", b" ", b"\t", b"\r", b"#")
    ),
)
START_BYTES = 1024  # of a file, in which its kind must show; the first line of a PDF may stand there
# The sizes of headers that BMPs have, and how PNMs go on.
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in bmp.HEADER_BYTES)
_PNM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s")
_UNSUPPORTED = (
    b"%!PS",
    b"AT&TFORM",  # DjVu
    b"P7\n",  # PAM
    b"Pf\n",  # PFM
    b"PF\n",
    b"8BPS",  # Photoshop
    b"gimp xcf",
    b"\0\0\1\0",  # icons
    b"\xc5\xd0\xd3\xc6",  # EPS with a preview
    b"\xd7\xcd\xc6\x9a",  # WMF
    b"#?RADIANCE",
    b"\x76\x2f\x31\x01",  # OpenEXR
    b"II\xbc\x01",  # JPEG XR
    b"qoif",
    b"IIRO",  # raw photos
    b"IIU\0",
    b"FUJIFILMCCD-RAW",
    b"{\\rtf",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # old files of office programs
)
_UNSUPPORTED_AT = ((40, b" EMF"), (128, b"DICM"))
# In the first bytes of a ZIP that is a document.
_OFFICE = re.compile(rb"PK\x03\x04.*(?:\[Content_Types\]\.xml|mimetypeapplication/vnd\.oasis)", re.DOTALL)


def parse(data: bytes, max_pixels: int) -> Container:
    """Return what a file holds, after checking that the file is complete.

    Args:
        data: The whole file.
        max_pixels: Largest number of pixels that an image may have.

    Raises:
        ImageError: `not_an_image`, `unsupported`, `too_large`, `truncated` or `damaged`.
    """
    parser = _parser_of(data)
    if parser is None:
        _reject_unknown(data)
    try:
        with reading_structure():
            container = parser(data, max_pixels)
    except ImageError as error:
        if error.reason is Reason.DAMAGED and zero_tail(data, 0, len(data)) >= ZERO_RUN_BYTES:
            raise ImageError(Reason.TRUNCATED, "it ends in zeros: a copy that was not finished") from error
        raise
    if container.width_px < 1 or container.height_px < 1:
        raise_damaged("its header says that it has no pixels")
    check_size(container.width_px, container.height_px, max_pixels)
    return container


def is_known(start: bytes) -> bool:
    """Return whether a file is an image or a document, by its first bytes.

    This is stricter than `parse`, as no suffix says that it is one: text may begin with `BM` or `P1`.

    Args:
        start: The first `START_BYTES` of the file.
    """
    if start.startswith(b"BM"):
        return start[6:10] == bytes(4) and start[14:18] in _BMP_HEADERS
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WEBP"
    if start[4:8] == b"ftyp":
        return heif.is_picture(start)
    if _PNM.match(start):
        return True
    if start[:1] == b"P" and start[1:2] in b"1234567fF" and not start.startswith(b"P7\nWIDTH"):
        return False
    return _parser_of(start) is not None or _is_unsupported(start)


def _is_unsupported(start: bytes) -> bool:
    return (
        start.startswith(_UNSUPPORTED)
        or any(start.startswith(magic, place) for place, magic in _UNSUPPORTED_AT)
        or b"<svg" in start
        or _OFFICE.match(start) is not None
    )


def _parser_of(data: bytes) -> _Parser | None:
    """Return the parser of the format that the first bytes name; None for an unknown format."""
    if data[4:8] == b"ftyp":
        return heif.parse
    parser = next((parser for magic, parser in _PARSERS if data.startswith(magic)), None)
    if parser is None and pdf.START in data[:START_BYTES]:
        return pdf.parse
    return parser


def _reject_unknown(data: bytes) -> NoReturn:
    if any(magic.startswith(data) for magic, _ in _PARSERS):
        raise_truncated("it ends within its first bytes")
    if _is_unsupported(data[:START_BYTES]):
        raise ImageError(Reason.UNSUPPORTED, "convert it to PDF, PNG, JPEG or TIFF")
    raise ImageError(Reason.NOT_AN_IMAGE, "its content is of no image format")
