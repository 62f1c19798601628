"""The user's labelled scans: to train on, and a part held out to say how well those are read."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.records import Grey
from batch.text import text_cell
from batch.training.data import labelled_scans
from batch.training.data.datasets import NOT_A_DIGIT

HELD_OUT_FRACTION = 1 / 5

OwnScan = tuple[Grey, int]
"""A scan and its label, 0 to 9 or `NOT_A_DIGIT`."""


def read(source: str, say: Callable[[str], None]) -> Iterator[OwnScan]:
    """Yields the labelled scans that can be read, and says which cannot.

    Args:
        source: as of `labelled_scans.load`.
        say: receives a line for each that cannot.

    Raises:
        InputError: the source is missing or holds something else.
    """
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        for scan in labelled_scans.load(source, Path(scratch)):
            try:
                image = decode.read(scan.ref, MAX_PIXELS)
            except ImageError as error:
                say(f"left out: {text_cell(scan.ref.name)}, {error.reason.value}")
                continue
            yield image.grey, NOT_A_DIGIT if scan.label is None else scan.label


def split(scans: Sequence[OwnScan]) -> tuple[list[OwnScan], list[OwnScan]]:
    """What is held out, about a fifth, and the rest.

    The content of a scan decides, not its place: it stays on its side when others are added, so that a model
    that goes on from one trained with fewer scans has never seen what is held out; and copies of it go along.
    """
    held_out: list[OwnScan] = []
    rest: list[OwnScan] = []
    for scan in scans:
        (held_out if _is_held_out(scan[0]) else rest).append(scan)
    return held_out, rest


def _is_held_out(grey: Grey) -> bool:
    digest = hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).digest()
    return int.from_bytes(digest[:8]) < HELD_OUT_FRACTION * 2**64
