"""The structure of a TIFF: directories of tags, one a page, that say where the pixels are."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from batch.errors import ImageError
from batch.images.completeness import (
    Container,
    check_compressed,
    check_pixels,
    check_size,
    raise_damaged,
    raise_truncated,
)
from batch.records import Reason

SUBFILE, WIDTH, HEIGHT, COMPRESSION, SAMPLES, EXTRA_SAMPLES = _PAGE_TAGS = 254, 256, 257, 259, 277, 338
STRIPS, STRIP_SIZES, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES = _PIXEL_TAGS = 273, 279, 322, 323, 324, 325
_TAGS = frozenset((*_PAGE_TAGS, *_PIXEL_TAGS))
# Kinds of numbers in a directory: their sizes in bytes, and how `struct` calls those that digitbox reads.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_UNCOMPRESSED = 1
# Fax, LZW, JPEG, deflate and PackBits; OpenCV's TIFF library decodes no others.
_DECODABLE = frozenset((_UNCOMPRESSED, 2, 3, 4, 5, 6, 7, 8, 32773, 32946))


@dataclass(frozen=True, slots=True)
class _Layout:
    """The widths of the numbers in a TIFF: classic, or with offsets of 64 bits.

    Attributes:
        first_offset: Position in the file of the offset of the first directory.
        count: Format (of `struct`) of the number of entries in a directory.
        offset: Format of an offset.
        offset_bytes: Size of an offset in bytes.
    """

    first_offset: int
    count: str
    offset: str
    offset_bytes: int

    @property
    def entry_bytes(self) -> int:
        """Return the size of an entry: tag, kind, number of values, and the values or their offset."""
        return 4 + 2 * self.offset_bytes


_CLASSIC, _BIG = _Layout(4, "H", "I", 4), _Layout(8, "Q", "Q", 8)


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all pages; see `formats.parse`."""
    walk = _Walk(data)
    (offset,) = walk.unpack(walk.layout.offset, walk.layout.first_offset)
    first: Container | None = None
    pages, seen = 0, set()
    while offset:
        if offset in seen:
            raise_damaged("the pages of a TIFF form a circle")
        seen.add(offset)
        tags, offset = walk.directory(offset)
        if not tags.get(SUBFILE, (0,))[0] & 1:  # a preview is no page
            pages += 1
        container = _page(walk, tags, max_pixels)
        first = first or container
    if first is None:
        raise_damaged("a TIFF without a page")
    return Container("tiff", first.width_px, first.height_px, max(1, pages), first.has_alpha)


class _Walk:
    """A reader of the structure that reads no more than twice the file: the parts of a bomb overlap.

    Args:
        data: The whole file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.layout = _BIG if b"+" in data[2:4] else _CLASSIC
        self._unread_bytes = 2 * len(data)

    def spend(self, size: int) -> None:
        """Count bytes that are read, and fail if they are more than a file without overlaps has."""
        self._unread_bytes -= size
        if self._unread_bytes < 0:
            raise_damaged("the parts of a TIFF overlap")

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        """Return the numbers at an offset, in the byte order of the file."""
        if offset > len(self.data):
            raise_truncated("a TIFF points beyond its end")
        return struct.unpack_from(self.order + form, self.data, offset)

    def directory(self, offset: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """Return the numbers of a page by tag, and the offset of the next page (0 after the last)."""
        layout = self.layout
        (count,) = self.unpack(layout.count, offset)
        start = offset + struct.calcsize("=" + layout.count)
        end = start + layout.entry_bytes * count
        if end + layout.offset_bytes > len(self.data):
            raise_truncated("a TIFF directory is cut off")
        self.spend(end - start)
        tags: dict[int, tuple[int, ...]] = {}
        for entry in range(start, end, layout.entry_bytes):
            tag, kind, values = self.unpack("HH" + layout.offset, entry)
            position, size = entry + 4 + layout.offset_bytes, _SIZES.get(kind, 1) * values
            if size > layout.offset_bytes:
                (position,) = self.unpack(layout.offset, position)
            if position + size > len(self.data):
                raise_truncated("a TIFF directory points beyond the end")
            if tag in _TAGS and kind in _NUMBERS and values:
                self.spend(size)
                tags[tag] = self.unpack(f"{values}{_NUMBERS[kind]}", position)
        return tags, self.unpack(layout.offset, end)[0]


def _page(walk: _Walk, tags: dict[int, tuple[int, ...]], max_pixels: int) -> Container:
    """Check that the pixels of a page are there, and return what the page holds."""
    if WIDTH not in tags or HEIGHT not in tags:
        raise_damaged("a TIFF page without a size")
    width, height = tags[WIDTH][0], tags[HEIGHT][0]
    check_size(width, height, max_pixels)
    check_size(tags.get(TILE_WIDTH, (1,))[0], tags.get(TILE_HEIGHT, (1,))[0], max_pixels)
    compression, samples = tags.get(COMPRESSION, (_UNCOMPRESSED,))[0], tags.get(SAMPLES, (1,))[0]
    has_alpha = tags.get(EXTRA_SAMPLES, (0,))[0] in (1, 2)
    if compression not in _DECODABLE or samples > 4 or (has_alpha and samples == 2):
        raise ImageError(Reason.UNSUPPORTED, "an unusual TIFF: convert it to PNG")
    offsets = tags.get(STRIPS) or tags.get(TILES) or ()
    sizes = tags.get(STRIP_SIZES) or tags.get(TILE_SIZES) or ()
    if not offsets or len(sizes) != len(offsets):
        raise_damaged("a TIFF page without pixels")
    parts = list(zip(offsets, sizes, strict=True))
    if max(start + size for start, size in parts) > len(walk.data):
        raise_truncated("the pixels of a TIFF are cut off")
    walk.spend(sum(sizes))
    pixels = b"".join(walk.data[start : start + size] for start, size in parts)
    if not pixels:
        raise_damaged("a TIFF page without pixels")
    check = check_pixels if compression == _UNCOMPRESSED else check_compressed
    check(pixels, 0, len(pixels))
    return Container("tiff", width, height, 1, has_alpha)
