"""The structure of a HEIC or AVIF file: boxes with the properties of the picture, then its data."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from batch.errors import ImageError
from batch.images import av1, boxes
from batch.images.boxes import Box
from batch.images.completeness import check_compressed
from batch.images.container import Container, check_size, raise_damaged, raise_truncated
from batch.records import Reason

_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_RAW_BRANDS = frozenset((b"crx ",))  # of raw photos, which digitbox does not read
_BRANDS_BYTES = 1024  # of the list of brands, of which a file has a handful
_USUAL_ZEROS = 16  # that the data may end with; those of a single level are mostly zeros
_SINGLE = frozenset((b"pitm", b"iinf", b"iprp", b"iloc", b"idat"))  # boxes of which a file has one
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
    parts = _parts(data, meta)
    item, properties = _primary(data, parts)
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
    if is_avif:  # the decoder goes by the size in the data, and then fits the picture into that of its box
        for content in _contents(data, parts):
            for size in av1.sizes(content):
                check_size(*size, max_pixels)
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


def _parts(data: bytes, meta: Box) -> dict[bytes, Box]:
    """Return the boxes that describe the pictures of a file, by their kind."""
    parts: dict[bytes, Box] = {}
    for box in boxes.walk(data, meta.start + 4, meta.end):
        if parts.setdefault(box.kind, box) is not box and box.kind in _SINGLE:
            raise_damaged("it says twice what its picture is")
    if b"pitm" not in parts or b"iprp" not in parts:
        raise_damaged("it has no picture")
    return parts


def _items(data: bytes, parts: dict[bytes, Box]) -> Iterator[tuple[int, bytes]]:
    """Yield number and kind of each item, of which a picture is one or several."""
    if b"iinf" not in parts:
        return
    start = parts[b"iinf"].start
    for box in boxes.walk(data, start + (8 if data[start] else 6), parts[b"iinf"].end):
        is_long = data[box.start] >= 3
        (number,) = struct.unpack_from(">I" if is_long else ">H", data, box.start + 4)
        offset = box.start + (10 if is_long else 8)
        yield number, data[offset : offset + 4]


def _contents(data: bytes, parts: dict[bytes, Box]) -> Iterator[bytes]:
    """Yield the data of each item of an AVIF that has pixels."""
    if b"iloc" not in parts:
        raise_damaged("it does not say where its picture is")
    pictures = {number for number, kind in _items(data, parts) if kind == b"av01"}
    unread_bytes = 2 * len(data)
    for number, pieces in _places(data, parts):
        size = sum(end - start for start, end in pieces)
        unread_bytes -= size
        if unread_bytes < 0:
            raise_damaged("its pictures overlap")
        if number in pictures:
            yield b"".join(data[start:end] for start, end in pieces)


def _places(data: bytes, parts: dict[bytes, Box]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield the number of each item with its pieces: positions of their first byte and after their last."""
    start = parts[b"iloc"].start
    version = data[start]
    offset_bytes, length_bytes = data[start + 4] >> 4, data[start + 4] & 15
    base_bytes, index_bytes = data[start + 5] >> 4, data[start + 5] & 15 if version else 0
    position = start + 6

    def take(size: int) -> int:
        nonlocal position
        position += size
        if position > parts[b"iloc"].end:
            raise_truncated("a box is cut off")
        return int.from_bytes(data[position - size : position], "big")

    number_bytes = 2 if version < 2 else 4
    for _ in range(take(number_bytes)):
        number = take(number_bytes)
        is_inside = bool(version and take(2) & 15)  # in a box among those that describe it
        take(2)
        base = take(base_bytes)
        if is_inside and b"idat" in parts:
            base += parts[b"idat"].start
        pieces = []
        for _ in range(take(2)):
            take(index_bytes)
            first = min(len(data), base + take(offset_bytes))
            size = take(length_bytes) or len(data)  # none is said if the piece goes on to the end
            pieces.append((first, min(len(data), first + size)))
        yield number, pieces


def _primary(data: bytes, parts: dict[bytes, Box]) -> tuple[bytes, list[Box]]:
    """Return the kind of the picture that programs show first, and the boxes of its properties."""
    start = parts[b"pitm"].start
    (primary,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
    kind = next((kind for number, kind in _items(data, parts) if number == primary), b"")
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
