"""The structure of a JPEG XL: a codestream, mostly bare, else in boxes."""

from __future__ import annotations

from batch.errors import ImageError
from batch.images import boxes
from batch.images.container import Container, check_size, raise_damaged
from batch.records import Reason

START = b"\xff\x0a"
HEADER_BYTES = 64  # of the codestream; the size and what follows it need fewer
# Widths for a height, as fractions.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS = (9, 13, 18, 30)
_DEPTHS = (8, 10, 12, 0)  # of integers; 0 if the number itself follows


class _Bits:
    """A reader of bits, the lowest of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken


def parse(data: bytes, max_pixels: int) -> Container:
    """Read the size; the decoder itself complains if the end is missing. See `formats.parse`."""
    header = data[:HEADER_BYTES]
    if not data.startswith(START):
        header = b""
        for box in boxes.walk(data):
            if box.kind in (b"jxlc", b"jxlp") and len(header) < HEADER_BYTES:
                start = box.start + (4 if box.kind == b"jxlp" else 0)
                header += data[start : min(box.end, start + HEADER_BYTES)]
    if not header.startswith(START):
        raise_damaged("a JPEG XL without pixels")
    bits = _Bits(header[2:])
    width, height = _size(bits)
    check_size(width, height, max_pixels)
    return Container("jpeg xl", width, height, white=_white(bits))


def _size(bits: _Bits) -> tuple[int, int]:
    """Return width and height in pixels."""
    is_small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if is_small else 1 + bits.take(_SIZE_BITS[bits.take(2)])

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    numerator, denominator = _RATIOS[ratio - 1]
    return height * numerator // denominator, height


def _white(bits: _Bits) -> int:
    """Return the brightest level, 255 if the header does not say it.

    Raises:
        ImageError: `unsupported`, if there are several frames.
    """
    if bits.take(1):  # all is as usual
        return 255
    if bits.take(1):  # there are extra fields
        bits.take(3)  # the decoder turns the picture upright itself
        if bits.take(1):
            _size(bits)  # on the screen
        if bits.take(1):  # a preview; its size is long to read, and nobody writes one
            return 255
        if bits.take(1):
            raise ImageError(Reason.UNSUPPORTED, "a moving JPEG XL: convert it to GIF or PDF")
    if bits.take(1):  # floats
        return 255
    depth = _DEPTHS[bits.take(2)] or 1 + bits.take(6)
    return int((1 << depth) - 1)
