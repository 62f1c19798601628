"""What a file is, told by its content: kind, size, pages, and whether all of it is there.

One walk over the structure of each format. A decoder cannot be trusted with this: it returns an image
for half a JPEG, and for a file whose second half was never written.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from typing import NoReturn

from batch.errors import ImageError
from batch.images import tiff
from batch.images.completeness import (
    ZERO_RUN_BYTES,
    Container,
    check_compressed,
    check_pixels,
    check_size,
    raise_damaged,
    raise_truncated,
    zero_tail,
)
from batch.records import Reason


def parse(data: bytes, max_pixels: int) -> Container:
    """Tells what a file is and proves that it is complete.

    Args:
        data: the whole file.
        max_pixels: more are too many.

    Raises:
        ImageError: `not_an_image`, `unsupported`, `too_large`, `truncated` or `damaged`.
    """
    walk = next((walk for magic, walk in _WALKS if data.startswith(magic)), None)
    if walk is None:
        _reject_unknown(data)
    try:
        container = walk(data, max_pixels)
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
    if any(magic.startswith(data) for magic, _ in _WALKS):
        raise_truncated("it ends within its first bytes")
    if data[4:8] == b"ftyp" or data.startswith(_UNSUPPORTED) or b"<svg" in data[:1024]:
        raise ImageError(Reason.UNSUPPORTED, "convert it to PNG, JPEG or TIFF")
    raise ImageError(Reason.NOT_AN_IMAGE, "its content is of no image format")


def _png(data: bytes, max_pixels: int) -> Container:
    size, at = len(data), 8
    width, height, _depth, colour = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR":
        raise_damaged("a PNG begins with IHDR")
    check_size(width, height, max_pixels)
    pages, has_alpha, has_pixels = 1, colour >= 4, False
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > size:
            raise_truncated("a PNG chunk is cut off")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise_damaged("a PNG chunk has another checksum")
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            has_pixels = True
        elif kind == b"tRNS":
            has_alpha = True
        elif kind == b"acTL":
            pages = max(pages, int.from_bytes(data[at + 8 : at + 12], "big"))
        at = end
    if not has_pixels:
        raise_damaged("a PNG without pixels")
    return Container("png", width, height, pages, has_alpha)


# In entropy-coded data FF00 is a byte, and FFD0 to FFD7 are restarts; FFFF is a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
MAX_JPEG_SCANS = 100  # of a progressive one; each takes as long to decode as a whole picture
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes, max_pixels: int) -> Container:
    at, width, height, scans = 2, 0, 0, 0
    while True:
        if data[at] != 0xFF:
            raise_damaged("a JPEG marker is missing")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2:
            raise_damaged("a JPEG segment has no length")
        if marker in _JPEG_FRAMES:
            precision, height, width = struct.unpack_from(">BHH", data, at + 4)
            if precision != 8:
                raise ImageError(Reason.UNSUPPORTED, f"a JPEG of {precision} bits: convert it to PNG")
            check_size(width, height, max_pixels)
        at += 2 + length
        if marker == 0xDA:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise_damaged("a JPEG with more scans than an encoder writes")
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                raise_truncated("a JPEG without its end marker")
            at = found.start()
    if not scans or not width:
        raise_damaged("a JPEG without pixels")
    return Container("jpeg", width, height)


def _gif(data: bytes, max_pixels: int) -> Container:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    check_size(width, height, max_pixels)
    pages, has_alpha = 0, False
    while True:
        block = data[at]
        if block == 0x3B:
            break
        if block == 0x21:
            if data[at + 1] == 0xF9 and data[at + 3] & 1:
                has_alpha = True
            at += 2
        elif block == 0x2C:
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height = max(width, left + wide), max(height, top + high)
            check_size(width, height, max_pixels)
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            pages += 1
        else:
            raise_damaged("an unknown GIF block")
        while data[at]:
            at += 1 + data[at]
        at += 1
    if not pages:
        raise_damaged("a GIF without pixels")
    return Container("gif", width, height, pages, has_alpha)


def _bmp(data: bytes, max_pixels: int) -> Container:
    file_size, pixels_at, header = struct.unpack_from("<I4xII", data, 2)
    if header == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression, pixels_size = 0, 0
    else:
        width, height, _, depth, compression, pixels_size = struct.unpack_from("<iiHHII", data, 18)
    if depth not in (1, 2, 4, 8, 16, 24, 32) or header not in (12, 16, 40, 52, 56, 64, 108, 124):
        raise_damaged("its BMP header makes no sense")
    check_size(abs(width), abs(height), max_pixels)
    if compression in (0, 3, 6):
        end = pixels_at + (width * depth + 31) // 32 * 4 * abs(height)
        if end > len(data):
            raise_truncated("its BMP pixels are cut off")
        check_pixels(data, pixels_at, end)
    elif compression in (1, 2):  # run lengths
        end = pixels_at + pixels_size
        if max(end, file_size) > len(data) or b"\0\1" not in data[end - 4 : end]:
            raise_truncated("its BMP pixels are cut off")
    else:
        raise ImageError(Reason.UNSUPPORTED, "an unusual BMP: convert it to PNG")
    # The fourth byte of a pixel is mostly nothing: it is transparency only where a mask says so.
    has_mask = depth == 32 and ((header >= 56 and compression == 3) or compression == 6)
    has_alpha = has_mask and data[66:70] != bytes(4)
    return Container("bmp", width, abs(height), 1, has_alpha)


def _webp(data: bytes, max_pixels: int) -> Container:
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if data[8:12] != b"WEBP":
        if len(data) < 12:
            raise_truncated("it ends within its first bytes")
        raise ImageError(Reason.NOT_AN_IMAGE, "a RIFF file, but no WebP")
    end = riff_size + 8
    if end > len(data):
        raise_truncated("a WebP is cut off")
    at, width, height, frames, has_alpha, has_pixels = 12, 0, 0, 0, False, False
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        body, at = at + 8, at + 8 + length + length % 2
        if body + length > end:
            raise_truncated("a WebP chunk is cut off")
        if kind == b"VP8X":
            has_alpha = bool(data[body] & 0x10)
            width = 1 + int.from_bytes(data[body + 4 : body + 7], "little")
            height = 1 + int.from_bytes(data[body + 7 : body + 10], "little")
            check_size(width, height, max_pixels)
        elif kind == b"ANMF":
            frames, has_pixels = frames + 1, True
            check_compressed(data, body, body + length)
        elif kind == b"VP8 ":
            has_pixels = True
            if not width:
                wide, high = struct.unpack_from("<HH", data, body + 6)
                width, height = wide & 0x3FFF, high & 0x3FFF
            # What is of one colour (a digit drawn by transparency alone) ends in zeros, a few percent of it.
            check_compressed(data, body, body + length, usual=16, run_bytes=length + 1)
        elif kind == b"VP8L":
            has_pixels = True
            (bits,) = struct.unpack_from("<I", data, body + 1)
            if not width:
                width, height, has_alpha = (
                    (bits & 0x3FFF) + 1,
                    (bits >> 14 & 0x3FFF) + 1,
                    bool(bits >> 28 & 1),
                )
            check_compressed(data, body, body + length)
    if not has_pixels:
        raise_damaged("a WebP without pixels")
    return Container("webp", width, height, max(1, frames), has_alpha)


_PNM_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*(\d+)")
_PNM_COMMENT = re.compile(rb"#[^\n\r]*")
_PNM_DIGITS_LIMIT = 10


def _pnm(data: bytes, max_pixels: int) -> Container:
    kind, at = data[1] - ord("0"), 2
    header: list[int] = []
    while len(header) < (2 if kind in (1, 4) else 3):
        token = _PNM_TOKEN.match(data, at)
        if token is None or token.end() == len(data):
            if _PNM_COMMENT.sub(b"", data[at:]).strip(b" \t\r\n\v\f0123456789"):
                raise ImageError(Reason.NOT_AN_IMAGE, "it begins like a PNM, but is none")
            raise_truncated("it ends inside its header")
        if len(token[1]) > _PNM_DIGITS_LIMIT:
            raise_damaged("its PNM header makes no sense")
        header.append(int(token[1]))
        at = token.end()
    width, height, top = (*header, 1)[:3]
    check_size(width, height, max_pixels)
    if not 0 < top < 65536:
        raise ImageError(Reason.UNSUPPORTED, "an unusual PNM: convert it to PNG")
    values = width * height * (3 if kind in (3, 6) else 1)
    if kind <= 3:
        _check_plain_pnm(data, at, kind, values)
        return Container("pnm", width, height)
    end = at + 1 + ((width + 7) // 8 * height if kind == 4 else values * (2 if top > 255 else 1))
    if end > len(data):
        raise_truncated("the pixels of a PNM are cut off")
    check_pixels(data, at + 1, end)
    following = data[end : end + 3].lstrip()
    pages = 2 if following[:1] == b"P" and following[1:2] in b"123456" and following[1:2] else 1
    white = top if kind in (5, 6) and top < 255 else 255  # OpenCV stretches those in plain text only
    return Container("pnm", width, height, pages, white=white)


def _check_plain_pnm(data: bytes, at: int, kind: int, values: int) -> None:
    if values > len(data):
        raise_truncated("the pixels of a PNM are cut off")
    text = _PNM_COMMENT.sub(b"", data[at:])
    if kind == 1:
        found = text.count(b"0") + text.count(b"1")
    else:
        # A number may go on until a space ends it.
        found = len(text.split()) - (not text[-1:].isspace())
    if found < values:
        raise_truncated("the pixels of a PNM are cut off")


_Walk = Callable[[bytes, int], Container]
_WALKS: tuple[tuple[bytes, _Walk], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"II*\0", tiff.parse),
    (b"MM\0*", tiff.parse),
    (b"II+\0", tiff.parse),
    (b"MM\0+", tiff.parse),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    *(
        (b"P" + str(kind).encode() + space, _pnm)
        for kind in range(1, 7)
        for space in (b"\n", b" ", b"\t", b"\r", b"#")
    ),
)
_UNSUPPORTED = (
    b"%PDF",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"P7\n",
    b"Pf\n",
    b"PF\n",
    b"8BPS",
)
