"""The sample scans of the inbox, and the picture of them beside their rows.

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
from batch.training.rendering.render import render

SEED = 20
Colour = npt.NDArray[np.uint8]
"""(height, width, 3), blue first, as OpenCV has it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One scan: what it shows, how it looks, and how it is stored.

    Attributes:
        name: of the file; its suffix tells the format.
        shows: a digit; text for a drawn 1, for digits side by side or, joined by a plus, over each other,
            or for none.
        look: of the scan.
        ink: colour of what is black, as blue, green and red.
        paper: colour of what is white.
    """

    name: str
    shows: int | str
    look: Appearance = field(default_factory=Appearance)
    ink: tuple[int, int, int] = (40, 36, 34)
    paper: tuple[int, int, int] = (240, 247, 250)


BOX = (130.0, 130.0, 130.0, 130.0)
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
    Sample("sample-10-overwritten.jpg", "3+5", Appearance(digit_fraction=0.6, grain=2, blur_px=0.5)),
    Sample("sample-11-two-digits.png", "17", Appearance(width_px=110, digit_fraction=0.7)),
    Sample("sample-12-blank.png", "", Appearance(grain=2.5, light=(0.1, 0.1, 0.1))),
    Sample("sample-13-damaged.jpg", 3, Appearance(borders=BOX)),
)


def draw(folder: Path, digits: Labelled) -> None:
    """Writes the sample scans.

    Args:
        folder: to write to.
        digits: to draw from, the first of each label that a person reads at once.
    """
    for number, sample in enumerate(SAMPLES):
        rng = np.random.default_rng([SEED, number])
        scan = render(_shown(sample, digits, rng), sample.look, rng)
        suffix = Path(sample.name).suffix
        done, data = cv2.imencode(suffix, scan if sample.look.fax else _tinted(scan, sample))
        if not done:
            raise ValueError(f"cannot write {sample.name}")
        content = bytes(data)
        if "damaged" in sample.name:
            content = content[: len(content) // 2]
        (folder / sample.name).write_bytes(content)


def picture(folder: Path, results: Path, target: Path) -> None:
    """Draws scans beside their rows.

    Args:
        folder: of the scans.
        results: CSV with one row for each.
        target: PNG to write.
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


def _shown(sample: Sample, digits: Labelled, rng: np.random.Generator) -> Grey:
    if sample.shows == "":
        return np.zeros((28, 28), np.uint8)
    if sample.shows == "1":
        return strokes.draw(1, rng)
    if isinstance(sample.shows, str) and "+" in sample.shows:
        return np.maximum.reduce([_first(digits, int(label), rng) for label in sample.shows.split("+")])
    if isinstance(sample.shows, str):
        return np.hstack([_first(digits, int(label), rng) for label in sample.shows])
    return _first(digits, sample.shows, rng)


def _first(digits: Labelled, label: int, rng: np.random.Generator) -> Grey:
    places = np.flatnonzero(digits.labels == label)
    return digits.images[int(rng.choice(places[:20]))]


def _tinted(scan: Grey, sample: Sample) -> Colour:
    """Colours the scale from black to white as ink and paper."""
    share = scan[..., None].astype(np.float32) / 255
    ink, paper = np.array(sample.ink, np.float32), np.array(sample.paper, np.float32)
    return np.rint(ink + (paper - ink) * share).astype(np.uint8)


def main() -> None:
    """Draws the samples, or the picture of them."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    if len(paths) == 3:
        picture(*paths)
    elif len(paths) == 2:
        draw(paths[1], datasets.load(str(paths[0])).train)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
