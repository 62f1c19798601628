"""The sample scans of the inbox, and a picture of them with their rows.

`python -m batch.training.rendering.samples DIGITS.npz INBOX` draws the scans from labelled digits (x and y);
`python -m batch.training.rendering.samples INBOX RESULTS.csv PICTURE.png` draws the picture.
"""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import decode
from batch.records import Grey, ScanRef
from batch.training.data import datasets
from batch.training.data.datasets import Labelled
from batch.training.rendering import strokes
from batch.training.rendering.appearance import Appearance
from batch.training.rendering.conditions import BOX
from batch.training.rendering.render import render

SEED = 20
READABLE_EXAMPLES = 20  # the first ones of each label; a person reads them at once
Colour = npt.NDArray[np.uint8]
"""A colour picture, uint8 (height, width, 3), blue first as in OpenCV."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample scan: its content, its appearance, and its file.

    Attributes:
        name: Name of the file; its suffix is the format.
        content: A digit; or text, which is a drawn 1, digits side by side, digits with a plus between them,
            written over each other, or nothing.
        appearance: Appearance of the scan.
        ink: Colour of what is black, as blue, green and red.
        paper: Colour of what is white, as blue, green and red.
    """

    name: str
    content: int | str
    appearance: Appearance = field(default_factory=Appearance)
    ink: tuple[int, int, int] = (40, 36, 34)
    paper: tuple[int, int, int] = (240, 247, 250)


BLUE_INK = (130, 60, 30)
SAMPLES = (
    Sample("sample-01-pen.png", 3, Appearance(digit_fraction=0.6, light=(0.05, 0.08, 0.03)), BLUE_INK),
    Sample(
        "sample-02-box.jpg",
        5,
        Appearance(
            digit_fraction=0.6, borders=BOX, line_slope=0.01, blur_px=0.6, grain=2, offset=(0.1, -0.1)
        ),
    ),
    Sample(
        "sample-03-pencil.png",
        8,
        Appearance(
            paper=215,
            ink=60,
            ink_texture=0.25,
            ruling_step_fraction=0.24,
            ruling=22,
            squared=True,
            digit_fraction=0.6,
        ),
    ),
    Sample(
        "sample-04-shadow.jpg",
        4,
        Appearance(
            height_px=160,
            width_px=140,
            digit_fraction=0.5,
            shadow=0.35,
            light=(0.15, -0.2, 0.1),
            grain=3,
            blur_px=1,
        ),
    ),
    Sample("sample-05-upstroke.png", "1", Appearance(digit_fraction=0.7, ink=150)),
    Sample("sample-06-chalk.png", 2, Appearance(paper=200, ink=150, stains=4, grain=3, inverted=True)),
    Sample("sample-07-fax.tif", 9, Appearance(height_px=96, width_px=80, fax=True, specks=4)),
    Sample(
        "sample-08-corner.png",
        6,
        Appearance(height_px=120, width_px=120, digit_fraction=0.22, offset=(0.36, -0.34)),
        BLUE_INK,
    ),
    Sample("sample-09-marker.webp", 0, Appearance(pen_change_fraction=0.05, ink_edge=0.3, paper=225)),
    Sample("sample-10-overwritten.jpg", "4+9", Appearance(digit_fraction=0.6, grain=2, blur_px=0.5)),
    Sample("sample-11-two-digits.png", "17", Appearance(width_px=110, digit_fraction=0.7)),
    Sample("sample-12-blank.png", "", Appearance(grain=2.5, light=(0.1, 0.1, 0.1))),
    Sample("sample-13-damaged.jpg", 3, Appearance(borders=BOX)),
)


def draw(folder: Path, digits: Labelled) -> None:
    """Write the sample scans.

    Args:
        folder: Folder to write to.
        digits: Digits to draw from. The first ones of each label must be easy to read.
    """
    for number, sample in enumerate(SAMPLES):
        rng = np.random.default_rng([SEED, number])
        scan = render(_content(sample, digits, rng), sample.appearance, rng)
        suffix = Path(sample.name).suffix
        encoded, data = cv2.imencode(suffix, scan if sample.appearance.fax else _tint(scan, sample))
        if not encoded:
            raise ValueError(f"cannot write {sample.name}")
        content = bytes(data)
        if "damaged" in sample.name:
            content = content[: len(content) // 2]
        (folder / sample.name).write_bytes(content)


def picture(folder: Path, results: Path, target: Path) -> None:
    """Draw a picture of scans, each below its row.

    Args:
        folder: Folder of the scans.
        results: CSV with a row for each scan.
        target: PNG file to write.
    """
    from matplotlib.figure import Figure

    rows = list(csv.DictReader(results.read_text(encoding="utf-8").splitlines()))
    columns = 5
    figure = Figure(figsize=(10, 2.15 * math.ceil(len(rows) / columns)), layout="constrained")
    axes = figure.subplots(math.ceil(len(rows) / columns), columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, row in zip(axes, rows, strict=False):
        path = folder / row["file"]
        try:
            decode.read(ScanRef(str(path), row["file"]), 10**7)
            axis.imshow(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
        except ImageError:
            axis.imshow(np.full((8, 8, 3), 230, np.uint8))
            axis.text(3.5, 3.5, "half a file", ha="center", va="center", color="grey")
        axis.set_title(_caption(row), fontsize=9)
    figure.savefig(target, dpi=90)


def _caption(row: dict[str, str]) -> str:
    if row["prediction"]:
        return f"{row['prediction']}, {float(row['confidence']):.3f}, {row['status']}"
    return f"{row['status']}: {row['reason']}"


def _content(sample: Sample, digits: Labelled, rng: np.random.Generator) -> Grey:
    if sample.content == "":
        return np.zeros((28, 28), np.uint8)
    if sample.content == "1":
        return strokes.draw(1, rng)
    if isinstance(sample.content, str) and "+" in sample.content:
        return np.maximum.reduce([_readable(digits, int(label), rng) for label in sample.content.split("+")])
    if isinstance(sample.content, str):
        return np.hstack([_readable(digits, int(label), rng) for label in sample.content])
    return _readable(digits, sample.content, rng)


def _readable(digits: Labelled, label: int, rng: np.random.Generator) -> Grey:
    indices = np.flatnonzero(digits.labels == label)
    return digits.images[int(rng.choice(indices[:READABLE_EXAMPLES]))]


def _tint(scan: Grey, sample: Sample) -> Colour:
    """Colour the scale from black to white as ink and paper."""
    share = scan[..., None].astype(np.float32) / 255
    ink, paper = np.array(sample.ink, np.float32), np.array(sample.paper, np.float32)
    return np.rint(ink + (paper - ink) * share).astype(np.uint8)


def main() -> None:
    """Draw the samples, or the picture of them."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    if len(paths) == 3:
        picture(*paths)
    elif len(paths) == 2:
        draw(paths[1], datasets.load(str(paths[0]), print).train)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
