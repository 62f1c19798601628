"""The directories of a TIFF: tags with numbers. EXIF is made of them, too."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from batch.images.container import raise_damaged, raise_truncated

NEW_SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES = 273, 274, 277, 278, 279
X_RESOLUTION, Y_RESOLUTION, PLANES = 282, 283, 284
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES = 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339
INNER_DIRECTORIES = 330
TWICE = 0  # a tag that no file has
_PAGE_TAGS = (NEW_SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, ORIENTATION, X_RESOLUTION, Y_RESOLUTION)
_PIXEL_TAGS = (BITS, SAMPLES, SAMPLE_FORMAT, EXTRA_SAMPLES, PHOTOMETRIC, PLANES, COMPRESSION)
_PART_TAGS = (STRIPS, STRIP_ROWS, STRIP_SIZES, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES)
MAX_VALUES = 16  # that `Walk.directory` reads of a tag; only the lists of strips and tiles are longer
_TAGS = frozenset((INNER_DIRECTORIES, *_PAGE_TAGS, *_PIXEL_TAGS, *_PART_TAGS))
_DECODED_TAGS = _TAGS - {INNER_DIRECTORIES, ORIENTATION, X_RESOLUTION, Y_RESOLUTION}
# Kinds of numbers in a directory by their size in bytes, and how `struct` calls those that digitbox reads.
_KINDS = {1: (1, 2, 6, 7), 2: (3, 8), 4: (4, 9, 11, 13), 8: (5, 10, 12, 16, 17, 18)}
_SIZES = {kind: size for size, kinds in _KINDS.items() for kind in kinds}
# What digitbox reads is never negative, so the numbers with a sign (6, 8, 9, 17) are read without one.
_NUMBERS = {
    1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "Q", 18: "Q",
}  # fmt: skip
_FLOATS = frozenset((11, 12))
_FRACTION = 5  # two numbers of 32 bits

Tags = dict[int, tuple[float, ...]]
"""The first numbers of a page by tag, at most `MAX_VALUES` of each."""


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


class Walk:
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

    def directory(self, offset: int) -> tuple[Tags, int]:
        """Return the numbers of a page by tag, and the offset of the next page (0 after the last).

        `TWICE` is among the tags if a page says something about its pixels twice, and differently.
        """
        layout = self.layout
        entries = self._entries(offset)
        if entries.stop + layout.offset_bytes > len(self.data):
            raise_truncated("a TIFF directory is cut off")
        self.spend(entries.stop - entries.start)
        tags: Tags = {}
        seen: dict[int, bytes] = {}
        for entry in entries:
            tag, kind, values, position = self._entry(entry)
            if position + _SIZES.get(kind, 1) * values > len(self.data):
                raise_truncated("a TIFF directory points beyond the end")
            is_density = tag in (X_RESOLUTION, Y_RESOLUTION)
            if tag not in _TAGS:
                continue
            content = self.data[entry : entry + layout.entry_bytes]
            if seen.setdefault(tag, content) != content and tag in _DECODED_TAGS:
                tags[TWICE] = (tag,)
            if not values or (kind in _FLOATS and not is_density):
                continue
            if kind in _NUMBERS:
                tags[tag] = self._read(kind, min(values, MAX_VALUES), position)
            elif kind == _FRACTION and is_density:
                self.spend(8)
                dividend, divisor = self.unpack("II", position)
                tags[tag] = (dividend / divisor if divisor else 0.0,)
        return tags, self.unpack(layout.offset, entries.stop)[0]

    def numbers(self, offset: int, tag: int, limit: int) -> tuple[int, ...]:
        """Return all whole numbers of a tag of the page at an offset; none if it has no such tag.

        Raises:
            ImageError: `damaged`, if there are more than `limit`.
        """
        for entry in self._entries(offset):
            found, kind, values, position = self._entry(entry)
            if found != tag:
                continue
            if values > limit:
                raise_damaged("a TIFF page has more parts than its size needs")
            return self._read(kind, values, position) if kind in _NUMBERS.keys() - _FLOATS else ()
        return ()

    def _read(self, kind: int, values: int, position: int) -> tuple[int, ...]:
        self.spend(_SIZES[kind] * values)
        return self.unpack(f"{values}{_NUMBERS[kind]}", position)

    def upright(self, offset: int) -> tuple[tuple[int, bytes], ...]:
        """Return the bytes that make the page at an offset upright; see `Container.patches`."""
        for entry in self._entries(offset):
            tag, kind, _, position = self._entry(entry)
            if tag == ORIENTATION and kind in _NUMBERS:
                return ((position, struct.pack(self.order + _NUMBERS[kind], 1)),)
        return ()

    def _entries(self, offset: int) -> range:
        """Return the positions of the entries of a directory; it ends where they end."""
        (count,) = self.unpack(self.layout.count, offset)
        start = offset + struct.calcsize("=" + self.layout.count)
        return range(start, start + self.layout.entry_bytes * count, self.layout.entry_bytes)

    def _entry(self, start: int) -> tuple[int, int, int, int]:
        """Return tag, kind, number of values and their position, of the entry at a position."""
        tag, kind, values = self.unpack("HH" + self.layout.offset, start)
        position = start + 4 + self.layout.offset_bytes
        if _SIZES.get(kind, 1) * values > self.layout.offset_bytes:
            (position,) = self.unpack(self.layout.offset, position)
        return tag, kind, values, position
