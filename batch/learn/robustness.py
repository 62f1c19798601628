"""What each condition costs, and what each step of the preprocessing is worth: one table.

`python -m batch.learn.robustness DIGITS.npz [FOLDER...]` renders the digits (arrays x and y, or x_test and
y_test) under named conditions, corrupts them as MNIST-C does, and reads them and the folders of labelled
scans with the default model, with and without each step. The table goes to stdout, as Markdown.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from batch.classifier import Classifier
from batch.config import MAX_PIXELS
from batch.digits import confidence, preprocess, quality
from batch.digits.confidence import Thresholds
from batch.errors import ImageError
from batch.files import artefact, images
from batch.flow import Reader
from batch.learn import labelled_scans
from batch.learn.corruptions import CORRUPTIONS
from batch.learn.labelled_scans import LabelledScan
from batch.learn.looks import Look
from batch.learn.render import render
from batch.records import Grey, Polarity

SEED = 7
DIGITS = 1000  # of each condition
BOX = (130.0, 130.0, 130.0, 130.0)

CONDITIONS: Mapping[str, Look] = {
    "plain": Look(),
    "shadow": Look(shadow=0.4, light=(0.2, -0.2, 0.1)),
    "tinted": Look(paper=120, ink=80, stains=3),
    "ruled": Look(ruling_step_fraction=0.3, ruling=40, line_slope=0.01),
    "squared": Look(ruling_step_fraction=0.22, ruling=40, squared=True),
    "box": Look(borders=BOX, digit_fraction=0.6),
    "partial box": Look(borders=(0, 130, 130, 0), border_margin_fraction=0.02, borders_overshoot=True),
    "specks and noise": Look(specks=8, grain=8),
    "faint pencil": Look(paper=215, ink=28, ink_texture=0.3, grain=2.5),
    "hairline": Look(pen_change_fraction=-0.035, height_px=120, width_px=120),
    "marker": Look(pen_change_fraction=0.05),
    "low resolution": Look(resolution=0.25, height_px=88, width_px=88),
    "blur": Look(blur_px=2.5),
    "JPEG": Look(jpeg_quality=20, grain=3),
    "fax": Look(fax=True, specks=4),
    "small, in a corner": Look(height_px=128, width_px=128, digit_fraction=0.2, offset=(0.35, -0.35)),
    "touching the edge": Look(digit_fraction=0.8, offset=(0.5, 0.0)),
    "cut out tightly": Look(digit_fraction=1.0, cut_out=True),
    "phone photo": Look(
        height_px=320,
        width_px=260,
        digit_fraction=0.3,
        rotation_deg=8,
        shadow=0.3,
        light=(0.2, 0.15, 0.12),
        grain=5,
        blur_px=1.5,
        jpeg_quality=60,
    ),
    "small, in a photo": Look(
        height_px=500,
        width_px=380,
        digit_fraction=0.1,
        shadow=0.3,
        light=(0.2, 0.15, 0.12),
        grain=4,
        blur_px=1.2,
        jpeg_quality=70,
    ),
    "stretched": Look(stretch=1.5),
    "slanted": Look(slant=0.35),
    "light on dark": Look(inverted=True),
}


@contextmanager
def _without(name: str, value: object) -> Iterator[None]:
    with mock.patch.object(preprocess, name, value):
        yield


# The whole preprocessing, and without one step each.
VARIANTS: Mapping[str, Callable[[], object]] = {
    "all": lambda: mock.patch.object(preprocess, "DIGIT_PX", preprocess.DIGIT_PX),
    "no polarity": lambda: _without("estimate_polarity", lambda _: Polarity.LIGHT_ON_DARK),
    "no background": lambda: _without(
        "estimate_background", lambda paper: np.full_like(paper, np.median(paper))
    ),
    "no lines": lambda: _without("find_lines", lambda mask: (np.zeros_like(mask), np.zeros_like(mask))),
    "no second look": lambda: _without("ZOOM_FRACTION", 0.0),
    "no thickening": lambda: _without("THIN_STROKE_PX", 0.0),
}


def accuracy(
    scans: list[tuple[Grey, int]], model: Classifier, thresholds: Thresholds, variant: str = "all"
) -> float:
    """Share of scans read right by a variant of the preprocessing; a refused one is wrong.

    Args:
        scans: images with the digit each shows.
        model: that reads them.
        thresholds: of the model.
        variant: one of `VARIANTS`.
    """
    digits, labels = [], []
    with VARIANTS[variant]():  # type: ignore[attr-defined]
        for image, label in scans:
            ink = preprocess.find_ink(image)
            if quality.inspect(ink) is None:
                digits.append(preprocess.normalise(ink, model.manifest.preprocess))
                labels.append(label)
    right = 0
    for start in range(0, len(digits), 256):
        decisions = confidence.decide(model.logits(np.stack(digits[start : start + 256])), thresholds)
        for decision, label in zip(decisions, labels[start : start + 256], strict=True):
            right += decision.status != "refused" and decision.prediction.label == label
    return right / len(scans)


def rendered(digits: list[tuple[Grey, int]], look: Look) -> list[tuple[Grey, int]]:
    """The digits as scans of one look, seeded."""
    rng = np.random.default_rng(SEED)
    return [(render(digit, look, rng), label) for digit, label in digits]


def corrupted(digits: list[tuple[Grey, int]], name: str) -> list[tuple[Grey, int]]:
    """The digits with one of MNIST-C's corruptions, seeded."""
    rng = np.random.default_rng(SEED)
    return [(CORRUPTIONS[name](digit, rng), label) for digit, label in digits]


def images_of(scans: list[LabelledScan]) -> list[tuple[Grey, int]]:
    """The images of scans of digits that can be read."""
    found = []
    for scan in scans:
        if scan.label is not None:
            try:
                found.append((images.read(scan.ref, MAX_PIXELS).grey, scan.label))
            except ImageError:
                continue
    return found


def sets(sources: list[str], scratch: Path) -> Iterator[tuple[str, str, list[tuple[Grey, int]]]]:
    """Yields the sets of the table: kind, name, images with labels."""
    every = images_of(labelled_scans.load(sources[0], scratch))
    chosen = np.random.default_rng(SEED).permutation(len(every))[:DIGITS]
    digits = [every[place] for place in chosen]
    yield "digits", "as they are", digits
    for name, look in CONDITIONS.items():
        yield "rendered", name, rendered(digits, look)
    for name in CORRUPTIONS:
        yield "corrupted", name.replace("_", " "), corrupted(digits, name)
    for folder in sources[1:]:
        yield "scans", Path(folder).name, images_of(labelled_scans.load(folder, scratch))


def main() -> None:
    """Prints the table."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    model, thresholds = Reader(artefact.find(None), "litert", None, MAX_PIXELS).load()
    print(f"Model `{model.manifest.version}`, {DIGITS} digits a row, per cent right.\n")
    print("| | | " + " | ".join(VARIANTS) + " |\n|---|---|" + "---|" * len(VARIANTS))
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        means: dict[str, list[list[float]]] = {}
        for kind, name, scans in sets(sys.argv[1:], Path(scratch)):
            shares = [accuracy(scans, model, thresholds, variant) for variant in VARIANTS]
            means.setdefault(kind, []).append(shares)
            print(
                f"| {kind} | {name} | " + " | ".join(f"{share:.1%}"[:-1] for share in shares) + " |",
                flush=True,
            )
        for kind, rows in means.items():
            mean = np.mean(rows, axis=0)
            if len(rows) > 1:
                print(f"| {kind} | **mean** | " + " | ".join(f"{share:.1%}"[:-1] for share in mean) + " |")


if __name__ == "__main__":
    main()
