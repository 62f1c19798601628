"""Pictures of labelled scans: the number of each class, samples, and what the model sees of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from batch.errors import ImageError
from batch.images import decode
from batch.inference import steps
from batch.preprocessing.look import look_input
from batch.preprocessing.normalise import DIGIT_PX
from batch.preprocessing.number_line import strip_of
from batch.records import Grey, Input
from batch.text import count
from batch.training.data.labelled_scans import NONE, LabelledScan
from batch.training.evaluation import charts

SAMPLES = 12  # of each class
MAX_AVERAGED = 500  # scans of each class in the mean picture


class _Shown(NamedTuple):
    """A scan, what the model sees of it, and its label."""

    image: Grey
    digit: Grey
    label: str


def write(
    folder: Path, scans: Sequence[LabelledScan], seed: int, seen: Input | None, max_pixels: int
) -> dict[str, int]:
    """Write the pictures; of numbers, the classes are their lengths, and there are no means.

    Args:
        folder: Folder to write to; it is made if it is missing.
        scans: Scans to show.
        seed: Seed of the choice of samples.
        seen: What the model sees of a scan; None for the strip that the reader of numbers sees.
        max_pixels: An image with more pixels is left out.

    Returns:
        The number of scans by class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counter(_name(scan) for scan in scans)
    names = sorted(counts, key=lambda name: (len(name.split()[0]), name))  # 12 digits after 2 digits
    charts.counts(names, [counts[name] for name in names], folder / "counts.png")
    rng = np.random.default_rng(seed)
    samples: list[tuple[Grey, str]] = []
    digits: list[tuple[Grey, str]] = []
    means: list[tuple[Grey, str]] = []
    for name in names:
        of_class = [scan for scan in scans if _name(scan) == name]
        chosen = [of_class[index] for index in rng.permutation(len(of_class))[:MAX_AVERAGED]]
        shown_scans: list[_Shown] = []
        all_digits: list[Grey] = []
        for shown in _read(chosen, seen, max_pixels):
            all_digits.append(shown.digit)
            if len(shown_scans) < SAMPLES:  # the images of others would fill the memory
                shown_scans.append(shown)
        samples += [(shown.image, shown.label) for shown in shown_scans] + _fillers(shown_scans)
        digits += [(shown.digit, shown.label) for shown in shown_scans] + _fillers(shown_scans)
        if all_digits and seen is not None:  # strips have several widths
            mean = np.mean(all_digits, axis=0)
            means.append((np.rint(mean).astype(np.uint8), name))
    charts.contact_sheet(samples, folder / "samples.png", SAMPLES)
    charts.contact_sheet(digits, folder / "digits.png", SAMPLES)
    (folder / "means.png").unlink(missing_ok=True)  # of other scans
    if means:
        charts.contact_sheet(means, folder / "means.png", len(names))
    return {name: counts[name] for name in names}


def _name(scan: LabelledScan) -> str:
    if scan.number is not None:
        return count(len(scan.number), "digit")
    return NONE if scan.label is None else str(scan.label)


def _read(scans: Sequence[LabelledScan], seen: Input | None, max_pixels: int) -> Iterator[_Shown]:
    """Yield each readable scan, and what the model sees: black if the gate refuses it."""
    for scan in scans:
        try:
            image = decode.read(scan.ref, max_pixels).grey
        except ImageError:
            continue
        label = scan.number or _name(scan)
        if seen is None:
            yield _Shown(image, strip_of(image).picture, label)
        elif seen is Input.SCAN:
            yield _Shown(image, look_input(image), label)
        else:
            digit = steps.prepare(image).digit
            black = np.zeros((DIGIT_PX,) * 2, np.uint8)
            yield _Shown(image, black if digit is None else digit[..., 0], label)


def _fillers(shown_scans: Sequence[_Shown]) -> list[tuple[Grey, str]]:
    """Return white pictures that fill the row of a class with few scans."""
    return [(np.full((28, 28), 255, np.uint8), "")] * (SAMPLES - len(shown_scans))
