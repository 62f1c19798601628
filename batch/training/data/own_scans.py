"""The user's labelled scans: a part to train on, and a part held out to measure how well they are read."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.records import Grey
from batch.text import count, text_cell
from batch.training.data import labelled_scans
from batch.training.data.arrays import TRAIN
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.progress import Progress

HELD_OUT_FRACTION = 1 / 5  # people have few scans, and a comparison of two models needs many

OwnScan = tuple[Grey, int]
"""A scan and its label, 0 to 9 or `NOT_A_DIGIT`."""


def read(source: str, progress: Progress) -> Iterator[OwnScan]:
    """Yield the labelled scans that can be read.

    Args:
        source: See `labelled_scans.load`.
        progress: Receives a line on the source, and one for each scan that cannot be read.

    Raises:
        InputError: If the source is missing or holds something else.
    """
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        for scan in labelled_scans.load(source, Path(scratch), progress, part=TRAIN):
            try:
                image = decode.read(scan.ref, MAX_PIXELS)
            except ImageError as error:
                progress(f"left out: {text_cell(scan.ref.name)}, {error.reason.value}")
                continue
            yield image.grey, NOT_A_DIGIT if scan.label is None else scan.label


def split(scans: Sequence[OwnScan]) -> tuple[list[OwnScan], list[OwnScan]]:
    """Return the scans that are held out, about a fifth, and those to train on.

    The content of a scan decides, so a scan stays on its side when the user adds others. A model that goes on
    from one trained with fewer scans has never seen those held out. Copies of a scan are on the same side.
    """
    held_out: list[OwnScan] = []
    training: list[OwnScan] = []
    for scan in scans:
        (held_out if _is_held_out(scan[0]) else training).append(scan)
    return held_out, training


def entry(scans: Sequence[OwnScan]) -> dict[str, str]:
    """Return the entry of own scans among the data sets of a manifest."""
    return {"name": count(len(scans), "own scan"), "licence": "the user's"}


def _is_held_out(grey: Grey) -> bool:
    digest = hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).digest()
    return int.from_bytes(digest[:8]) < HELD_OUT_FRACTION * 2**64
