"""A look at labelled scans: how many of each class, what they look like, and what the model sees of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.inference import steps
from batch.preprocessing.views import DIGIT_PX
from batch.records import Grey, PreprocessSpec
from batch.training.data.labelled_scans import NONE, LabelledScan
from batch.training.evaluation import charts

SAMPLES = 12  # of each class
MEAN_OF = 500  # scans of each class, at most


def write(folder: Path, scans: Sequence[LabelledScan], seed: int) -> dict[str, int]:
    """Writes the pictures.

    Args:
        folder: to write to; made if need be.
        scans: to look at.
        seed: of the choice of samples.

    Returns:
        Number of scans by label.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counter(_name(scan) for scan in scans)
    names = sorted(counts)
    charts.counts(names, [counts[name] for name in names], folder / "counts.png")
    rng = np.random.default_rng(seed)
    samples: list[tuple[Grey, str]] = []
    digits: list[tuple[Grey, str]] = []
    means: list[tuple[Grey, str]] = []
    for name in names:
        of_class = [scan for scan in scans if _name(scan) == name]
        chosen = [of_class[place] for place in rng.permutation(len(of_class))[:MEAN_OF]]
        seen = list(_seen(chosen))
        samples += [(image, name) for image, _ in seen[:SAMPLES]] + _gaps(seen)
        digits += [(digit, name) for _, digit in seen[:SAMPLES]] + _gaps(seen)
        if seen:
            mean = np.mean([digit for _, digit in seen], axis=0)
            means.append((np.rint(mean).astype(np.uint8), name))
    charts.contact_sheet(samples, folder / "samples.png", SAMPLES)
    charts.contact_sheet(digits, folder / "digits.png", SAMPLES)
    charts.contact_sheet(means, folder / "means.png", len(names))
    return {name: counts[name] for name in names}


def _name(scan: LabelledScan) -> str:
    return NONE if scan.label is None else str(scan.label)


def _seen(scans: Sequence[LabelledScan]) -> Iterator[tuple[Grey, Grey]]:
    """Each scan that can be read, and the digit found in it."""
    for scan in scans:
        try:
            image = decode.read(scan.ref, MAX_PIXELS).grey
        except ImageError:
            continue
        digit = steps.prepare(image, PreprocessSpec()).digit
        shown = np.zeros((DIGIT_PX,) * 2, np.uint8) if digit is None else digit[..., 0]
        yield image, shown


def _gaps(seen: Sequence[tuple[Grey, Grey]]) -> list[tuple[Grey, str]]:
    """Fills a row of the sheet where there are few."""
    return [(np.full((28, 28), 255, np.uint8), "")] * (SAMPLES - min(SAMPLES, len(seen)))
