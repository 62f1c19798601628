"""The size in the data of an AVIF, by which its decoder goes: they are units, of which one says it."""

from __future__ import annotations

from collections.abc import Iterator

from batch.images.container import raise_damaged

MAX_UNITS = 10_000  # of a picture, which has a handful
_SEQUENCE_HEADER = 1  # kind of the unit that says the size
_HEADER_BYTES = 512  # that such a unit needs at most


class _Bits:
    """A reader of bits, the highest of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        self._left -= count
        if self._left < 0:
            raise_damaged("the header of an AVIF's data is cut off")
        return self._value >> self._left & ((1 << count) - 1)


def sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each size, width and height in pixels, that the data of a picture say.

    Raises:
        ImageError: `damaged`.
    """
    position = 0
    for _ in range(MAX_UNITS):
        if position >= len(data):
            return
        head = data[position]
        position += 2 if head & 4 else 1  # a second byte may follow
        size = len(data) - position
        if head & 2:
            size, position = _number(data, position)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            yield _size(_Bits(data[position : position + min(size, _HEADER_BYTES)]))
        position += size
    raise_damaged("an AVIF has too many parts")


def _number(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and the position after it."""
    number = 0
    for place in range(8):
        number |= (data[position + place] & 0x7F) << 7 * place
        if not data[position + place] & 0x80:
            return number, position + place + 1
    raise_damaged("the data of an AVIF make no sense")


def _size(bits: _Bits) -> tuple[int, int]:
    """Return the width and height of a sequence header; see the specification of AV1, 5.5."""
    bits.take(4)
    if bits.take(1):  # the short header of a still picture
        bits.take(5)
    else:
        delay_bits = 0
        if bits.take(1):  # times
            bits.take(64)
            if bits.take(1):
                _skip_long(bits)
            if bits.take(1):
                delay_bits = bits.take(5) + 1
                bits.take(42)
        has_delay = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delay_bits and bits.take(1):
                bits.take(2 * delay_bits + 1)
            if has_delay and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_long(bits: _Bits) -> None:
    """Pass over a number that says by zeros how long it is."""
    zeros = 0
    while not bits.take(1):
        zeros += 1
    if zeros < 32:
        bits.take(zeros)
