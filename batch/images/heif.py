"""The structure of a HEIC or AVIF file: boxes with the properties of the picture, then its data."""

from __future__ import annotations

import struct

from batch.errors import ImageError
from batch.images import boxes
from batch.images.boxes import Box
from batch.images.completeness import check_compressed
from batch.images.container import Container, check_size, raise_damaged
from batch.records import Reason

_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_RAW_BRANDS = frozenset((b"crx ",))  # of raw photos, which digitbox does not read
_BRANDS_BYTES = 1024  # of the list of brands, of which a file has a handful
_USUAL_ZEROS = 16  # that the data may end with; those of a single level are mostly zeros
_SINGLE = frozenset((b"pitm", b"iinf", b"iprp"))  # boxes of which a file has one
# By the turn of a picture, a quarter to the left each: how EXIF numbers it, without and with a mirror after.
_TURNS = ((1, 2, 4), (8, 7, 5), (3, 4, 2), (6, 5, 7))


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over the boxes; see `formats.parse`."""
    found = list(boxes.walk(data))
    brands = _brands(data[found[0].start : found[0].end])
    if not brands & (_HEIC_BRANDS | _AVIF_BRANDS):
        raise ImageError(Reason.UNSUPPORTED, "convert it to PNG, JPEG or TIFF")
    for box in found:
        if box.kind == b"mdat":
            check_compressed(data, box.start, box.end, usual=_USUAL_ZEROS)
    meta = next((box for box in found if box.kind == b"meta"), None)
    movie = next((box for box in found if box.kind == b"moov"), None)
    if meta is None:
        raise_damaged("it has no picture")
    item, properties = _primary(data, meta)
    is_avif = item == b"av01" or (item != b"hvc1" and bool(brands & _AVIF_BRANDS))
    (width, height), depth, turn, mirror = (1, 1), 8, 0, 0
    for box in properties:
        if box.kind == b"ispe":
            width, height = struct.unpack_from(">II", data, box.start + 4)
            check_size(width, height, max_pixels)
        elif box.kind == b"pixi":
            depth = data[box.start + 5]
        elif box.kind == b"irot":
            turn = data[box.start] & 3
        elif box.kind == b"imir":
            mirror = 1 + (1 - (data[box.start] & 1))
    if is_avif and movie is not None and _samples(data, movie) > 1:
        raise ImageError(Reason.UNSUPPORTED, "a moving AVIF: convert it to GIF or PDF")
    return Container(
        "avif" if is_avif else "heic",
        width,
        height,
        white=(1 << depth) - 1 if depth > 8 else 255,
        # `pi_heif` turns pictures upright itself.
        orientation=_TURNS[turn][mirror] if is_avif else 1,
    )


def is_picture(start: bytes) -> bool:
    """Return whether a file is a picture, by its first bytes: voice memos and films begin alike."""
    body = start[8 : int.from_bytes(start[:4], "big")]
    return not _brands(body).isdisjoint(_HEIC_BRANDS | _AVIF_BRANDS | _RAW_BRANDS)


def _brands(body: bytes) -> set[bytes]:
    """Return the names of the kinds of files that a file says it is."""
    names = range(8, min(len(body), _BRANDS_BYTES), 4)
    return {body[:4], *(body[start : start + 4] for start in names)}


def _primary(data: bytes, meta: Box) -> tuple[bytes, list[Box]]:
    """Return the kind of the picture that programs show first, and the boxes of its properties."""
    parts: dict[bytes, Box] = {}
    for box in boxes.walk(data, meta.start + 4, meta.end):
        if parts.setdefault(box.kind, box) is not box and box.kind in _SINGLE:
            raise_damaged("it says twice what its picture is")
    if b"pitm" not in parts or b"iprp" not in parts:
        raise_damaged("it has no picture")
    start = parts[b"pitm"].start
    (primary,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
    kind = b""
    if b"iinf" in parts:
        start = parts[b"iinf"].start
        for box in boxes.walk(data, start + (8 if data[start] else 6), parts[b"iinf"].end):
            is_long = data[box.start] >= 3
            (number,) = struct.unpack_from(">I" if is_long else ">H", data, box.start + 4)
            if number == primary:
                offset = box.start + (10 if is_long else 8)
                kind = data[offset : offset + 4]
    inner = list(boxes.walk(data, parts[b"iprp"].start, parts[b"iprp"].end))
    properties = [
        box for part in inner if part.kind == b"ipco" for box in boxes.walk(data, part.start, part.end)
    ]
    indices = [index for part in inner if part.kind == b"ipma" for index in _of_item(data, part, primary)]
    return kind, [properties[index - 1] for index in indices if 0 < index <= len(properties)]


def _of_item(data: bytes, box: Box, item: int) -> list[int]:
    """Return the numbers of the properties of an item, from 1."""
    version, flags = data[box.start], data[box.start + 3]
    (count,) = struct.unpack_from(">I", data, box.start + 4)
    if count > boxes.MAX_BOXES:
        raise_damaged("it has too many pictures")
    position = box.start + 8
    for _ in range(count):
        if position >= box.end:
            break
        (number,) = struct.unpack_from(">I" if version else ">H", data, position)
        position += 4 if version else 2
        properties = data[position]
        position += 1
        form, mask = (">H", 0x7FFF) if flags & 1 else (">B", 0x7F)
        size = struct.calcsize(form)
        if number == item:
            return [
                struct.unpack_from(form, data, position + size * place)[0] & mask
                for place in range(properties)
            ]
        position += size * properties
    return []


def _samples(data: bytes, movie: Box) -> int:
    """Return the number of frames of an animation."""
    path = (b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    box = boxes.find(data, boxes.walk(data, movie.start, movie.end), *path)
    return max(1, struct.unpack_from(">I", data, box.start + 8)[0]) if box is not None else 1
