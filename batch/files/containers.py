"""What a file is, told by its content: kind, size, pages, and whether all of it is there.

One walk over the structure of each format. A decoder cannot be trusted with this: it returns an image
for half a JPEG, and for a file whose second half was never written.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from batch.errors import ImageError
from batch.records import Reason

# A copy that was preallocated and not finished ends in zeros.
ZERO_RUN_BYTES = 32  # no encoder ends compressed data with so many
ZERO_RUN_FRACTION = 1 / 16
ZERO_PIXELS_FRACTION = 0.45  # of uncompressed pixels; a digit on black ground leaves fewer below it
ZERO_PAPER_FRACTION = 1 / 8  # where the other pixels show that zero is not the ground
ZERO_ELSEWHERE_FRACTION = 0.25


@dataclass(frozen=True, slots=True)
class Container:
    """What a file holds.

    Attributes:
        kind: `png`, `jpeg`, `tiff`, `bmp`, `webp`, `gif` or `pnm`.
        width_px, height_px: as the header says, before any rotation.
        pages: pages or frames.
        has_alpha: whether pixels can be transparent.
    """

    kind: str
    width_px: int
    height_px: int
    pages: int = 1
    has_alpha: bool = False


def inspect(data: bytes) -> Container:
    """Tells what a file is and proves that it is complete.

    Args:
        data: the whole file.

    Raises:
        ImageError: `not_an_image`, `unsupported`, `truncated` or `damaged`.
    """
    walk = next((walk for magic, walk in _WALKS if data.startswith(magic)), None)
    if walk is None:
        _reject_unknown(data)
    try:
        container = walk(data)
    except (struct.error, IndexError) as error:
        raise ImageError(Reason.TRUNCATED, "it ends inside its header") from error
    except ImageError as error:
        if error.reason is Reason.DAMAGED and _zero_tail(data, 0, len(data)) >= ZERO_RUN_BYTES:
            raise ImageError(Reason.TRUNCATED, "it ends in zeros: a copy that was not finished") from error
        raise
    if container.width_px < 1 or container.height_px < 1:
        raise ImageError(Reason.DAMAGED, "its header says that it has no pixels")
    return container


def _truncated(detail: str) -> NoReturn:
    raise ImageError(Reason.TRUNCATED, detail)


def _damaged(detail: str) -> NoReturn:
    raise ImageError(Reason.DAMAGED, detail)


def _reject_unknown(data: bytes) -> NoReturn:
    if any(magic.startswith(data) for magic, _ in _WALKS):
        _truncated("it ends within its first bytes")
    if data[4:8] == b"ftyp" or data.startswith(_UNSUPPORTED):
        raise ImageError(Reason.UNSUPPORTED, "convert it to PNG, JPEG or TIFF")
    raise ImageError(Reason.NOT_AN_IMAGE, "its content is of no image format")


def _zero_tail(data: bytes, start: int, end: int) -> int:
    """Number of zero bytes at the end of `data[start:end]`."""
    if end <= start or data[end - 1]:
        return 0
    return end - start - len(data[start:end].rstrip(b"\0"))


def _check_compressed(data: bytes, start: int, end: int) -> None:
    zeros = _zero_tail(data, start, end)
    if zeros >= ZERO_RUN_BYTES or zeros > max(4, (end - start) * ZERO_RUN_FRACTION):
        _truncated("its data end in zeros: a copy that was not finished")


def _check_pixels(data: bytes, start: int, end: int) -> None:
    """Uncompressed pixels may well be zero, but not a large part of the end while the rest never is."""
    size, zeros = end - start, _zero_tail(data, start, end)
    if zeros == size or zeros < ZERO_PAPER_FRACTION * size:
        return
    elsewhere = data.count(0, start, end - zeros)
    if zeros >= ZERO_PIXELS_FRACTION * size or elsewhere < ZERO_ELSEWHERE_FRACTION * (size - zeros):
        _truncated("its pixels end in zeros: a copy that was not finished")


def _png(data: bytes) -> Container:
    size, at = len(data), 8
    width, height, _depth, colour = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR":
        _damaged("a PNG begins with IHDR")
    pages, has_alpha, has_pixels = 1, colour >= 4, False
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > size:
            _truncated("a PNG chunk is cut off")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            _damaged("a PNG chunk has another checksum")
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
        _damaged("a PNG without pixels")
    return Container("png", width, height, pages, has_alpha)


# In entropy-coded data FF00 is a byte, and FFD0 to FFD7 are restarts; FFFF is a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes) -> Container:
    at, width, height, scans = 2, 0, 0, 0
    while True:
        if data[at] != 0xFF:
            _damaged("a JPEG marker is missing")
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
            _damaged("a JPEG segment has no length")
        if marker in _JPEG_FRAMES:
            precision, height, width = struct.unpack_from(">BHH", data, at + 4)
            if precision != 8:
                raise ImageError(Reason.UNSUPPORTED, f"a JPEG of {precision} bits: convert it to PNG")
        at += 2 + length
        if marker == 0xDA:
            scans += 1
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                _truncated("a JPEG without its end marker")
            at = found.start()
    if not scans or not width:
        _damaged("a JPEG without pixels")
    return Container("jpeg", width, height)


def _gif(data: bytes) -> Container:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
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
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            pages += 1
        else:
            _damaged("an unknown GIF block")
        while data[at]:
            at += 1 + data[at]
        at += 1
    if not pages:
        _damaged("a GIF without pixels")
    return Container("gif", width, height, pages, has_alpha)


def _bmp(data: bytes) -> Container:
    file_size, pixels_at, header = struct.unpack_from("<I4xII", data, 2)
    if header == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression, pixels_size = 0, 0
    else:
        width, height, _, depth, compression, pixels_size = struct.unpack_from("<iiHHII", data, 18)
    if depth not in (1, 2, 4, 8, 16, 24, 32) or header not in (12, 16, 40, 52, 56, 64, 108, 124):
        _damaged("its BMP header makes no sense")
    if compression in (0, 3, 6):
        end = pixels_at + (width * depth + 31) // 32 * 4 * abs(height)
        if end > len(data):
            _truncated("its BMP pixels are cut off")
        _check_pixels(data, pixels_at, end)
    elif compression in (1, 2):  # run lengths
        end = pixels_at + pixels_size
        if max(end, file_size) > len(data) or b"\0\1" not in data[end - 4 : end]:
            _truncated("its BMP pixels are cut off")
    else:
        raise ImageError(Reason.UNSUPPORTED, "an unusual BMP: convert it to PNG")
    return Container("bmp", width, abs(height), 1, depth == 32)


def _webp(data: bytes) -> Container:
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if data[8:12] != b"WEBP":
        if len(data) < 12:
            _truncated("it ends within its first bytes")
        raise ImageError(Reason.NOT_AN_IMAGE, "a RIFF file, but no WebP")
    end = riff_size + 8
    if end > len(data):
        _truncated("a WebP is cut off")
    at, width, height, frames, has_alpha, has_pixels = 12, 0, 0, 0, False, False
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        body, at = at + 8, at + 8 + length + length % 2
        if body + length > end:
            _truncated("a WebP chunk is cut off")
        if kind == b"VP8X":
            has_alpha = bool(data[body] & 0x10)
            width = 1 + int.from_bytes(data[body + 4 : body + 7], "little")
            height = 1 + int.from_bytes(data[body + 7 : body + 10], "little")
        elif kind == b"ANMF":
            frames, has_pixels = frames + 1, True
            _check_compressed(data, body, body + length)
        elif kind == b"VP8 ":
            has_pixels = True
            if not width:
                wide, high = struct.unpack_from("<HH", data, body + 6)
                width, height = wide & 0x3FFF, high & 0x3FFF
            _check_compressed(data, body, body + length)
        elif kind == b"VP8L":
            has_pixels = True
            (bits,) = struct.unpack_from("<I", data, body + 1)
            if not width:
                width, height, has_alpha = (
                    (bits & 0x3FFF) + 1,
                    (bits >> 14 & 0x3FFF) + 1,
                    bool(bits >> 28 & 1),
                )
            _check_compressed(data, body, body + length)
    if not has_pixels:
        _damaged("a WebP without pixels")
    return Container("webp", width, height, max(1, frames), has_alpha)


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_NUMBERS = {1: "B", 3: "H", 4: "I"}
_TIFF_UNCOMPRESSED = 1
_TIFF_MAX_VALUES = 1 << 20


def _tiff(data: bytes) -> Container:
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    first: Container | None = None
    pages, seen = 0, set()
    while at:
        if at in seen:
            _damaged("the pages of a TIFF run in a circle")
        seen.add(at)
        tags, at = _tiff_directory(data, order, at)
        if not tags.get(254, (0,))[0] & 1:  # a preview is no page
            pages += 1
        container = _tiff_page(data, tags)
        first = first or container
    if first is None:
        _damaged("a TIFF without a page")
    return Container("tiff", first.width_px, first.height_px, max(1, pages), first.has_alpha)


def _tiff_directory(data: bytes, order: str, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
    (count,) = struct.unpack_from(order + "H", data, at)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        size = _TIFF_SIZES.get(kind, 1) * values
        place = entry + 8 if size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
        if place + size > len(data):
            _truncated("a TIFF directory points beyond the end")
        if kind in _TIFF_NUMBERS and 0 < values <= _TIFF_MAX_VALUES:
            tags[tag] = struct.unpack_from(f"{order}{values}{_TIFF_NUMBERS[kind]}", data, place)
    (following,) = struct.unpack_from(order + "I", data, at + 2 + 12 * count)
    return tags, following


def _tiff_page(data: bytes, tags: dict[int, tuple[int, ...]]) -> Container:
    if 256 not in tags or 257 not in tags:
        _damaged("a TIFF page without a size")
    offsets = tags.get(273) or tags.get(324) or ()
    counts = tags.get(279) or tags.get(325) or ()
    if not offsets or len(counts) != len(offsets):
        _damaged("a TIFF page without pixels")
    if max(start + length for start, length in zip(offsets, counts, strict=True)) > len(data):
        _truncated("the pixels of a TIFF are cut off")
    pixels = b"".join(data[start : start + length] for start, length in zip(offsets, counts, strict=True))
    if not pixels:
        _damaged("a TIFF page without pixels")
    if tags.get(259, (1,))[0] == _TIFF_UNCOMPRESSED:
        _check_pixels(pixels, 0, len(pixels))
    else:
        _check_compressed(pixels, 0, len(pixels))
    has_alpha = tags.get(338, (0,))[0] in (1, 2)
    return Container("tiff", tags[256][0], tags[257][0], 1, has_alpha)


_PNM_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*(\d+)")
_PNM_COMMENT = re.compile(rb"#[^\n\r]*")
_PNM_DIGITS_LIMIT = 10


def _pnm(data: bytes) -> Container:
    kind, at = data[1] - ord("0"), 2
    header: list[int] = []
    while len(header) < (2 if kind in (1, 4) else 3):
        token = _PNM_TOKEN.match(data, at)
        if token is None or token.end() == len(data):
            if _PNM_COMMENT.sub(b"", data[at:]).strip(b" \t\r\n\v\f0123456789"):
                raise ImageError(Reason.NOT_AN_IMAGE, "it begins like a PNM, but is none")
            _truncated("it ends inside its header")
        if len(token[1]) > _PNM_DIGITS_LIMIT:
            _damaged("its PNM header makes no sense")
        header.append(int(token[1]))
        at = token.end()
    width, height, top = (*header, 1)[:3]
    if not 0 < top < 65536 or (top > 255 and kind in (2, 3)):
        raise ImageError(Reason.UNSUPPORTED, "an unusual PNM: convert it to PNG")
    values = width * height * (3 if kind in (3, 6) else 1)
    if kind <= 3:
        _check_plain_pnm(data, at, kind, values)
        return Container("pnm", width, height)
    end = at + 1 + ((width + 7) // 8 * height if kind == 4 else values * (2 if top > 255 else 1))
    if end > len(data):
        _truncated("the pixels of a PNM are cut off")
    _check_pixels(data, at + 1, end)
    following = data[end : end + 3].lstrip()
    pages = 2 if following[:1] == b"P" and following[1:2] in b"123456" and following[1:2] else 1
    return Container("pnm", width, height, pages)


def _check_plain_pnm(data: bytes, at: int, kind: int, values: int) -> None:
    if values > len(data):
        _truncated("the pixels of a PNM are cut off")
    text = _PNM_COMMENT.sub(b"", data[at:])
    if kind == 1:
        found = text.count(b"0") + text.count(b"1")
    else:
        # A number may go on until a space ends it.
        found = len(text.split()) - (not text[-1:].isspace())
    if found < values:
        _truncated("the pixels of a PNM are cut off")


_Walk = Callable[[bytes], Container]
_WALKS: tuple[tuple[bytes, _Walk], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
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
    b"II+\0",
    b"MM\0+",
    b"P7\n",
    b"Pf\n",
    b"PF\n",
    b"8BPS",
)
