"""The boxes of HEIC, AVIF, JPEG 2000 and JPEG XL files: each has a length, a kind and a body."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from batch.images.container import raise_damaged, raise_truncated

MAX_BOXES = 10_000  # in one box; no photo has more


class Box(NamedTuple):
    """A box.

    Attributes:
        kind: Its kind, four bytes.
        start: Position of the first byte of its body.
        end: Position after its last byte.
    """

    kind: bytes
    start: int
    end: int


def walk(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two positions of a file.

    Raises:
        ImageError: `truncated` or `damaged`, if a box goes beyond the end.
    """
    end = len(data) if end is None else end
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:  # the last box goes on to the end
            size = end - start
        if size < body - start:
            if not any(data[start:end]):
                raise_truncated("it ends in zeros: a copy that was not finished")
            raise_damaged("a box has no length")
        if start + size > end:
            raise_truncated("a box is cut off")
        yield Box(kind, body, start + size)
        start += size
    raise_damaged("it has too many boxes")


def find(data: bytes, boxes: Iterator[Box], *path: bytes) -> Box | None:
    """Return the first box at a path of kinds, e.g. `jp2h`, `ihdr`; None if there is none."""
    for box in boxes:
        if box.kind == path[0]:
            return find(data, walk(data, box.start, box.end), *path[1:]) if path[1:] else box
    return None
