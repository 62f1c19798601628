"""Scans of what is no digit, by kind, for `digitbox evaluate`. The model should refuse all of them.

`python -m batch.training.evaluation.non_digit_scans DIGITS.npz FOLDER` writes 500 scans of each kind to
FOLDER/KIND/none/. Several digits and crossed-out ones are made of the digits of the archive (arrays x and y,
or x_test and y_test). No training saw any of them: the renderer of `batch.training.look` is another one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from batch.records import Grey
from batch.training.data.arrays import read_numpy
from batch.training.evaluation import number_scans
from batch.training.rendering import non_digits
from batch.training.rendering.appearance import Appearance, random_appearance
from batch.training.rendering.render import render

SEED = 11
COUNT = 500  # of each kind


_Make = Callable[[np.random.Generator, Grey], Grey]


def _as_scan(draw: _Make, rng: np.random.Generator, digits: Grey) -> Grey:
    return render(draw(rng, digits), random_appearance(rng), rng)


def _picture(rng: np.random.Generator, _: Grey) -> Grey:
    return non_digits.picture(rng)


def _noise(rng: np.random.Generator, _: Grey) -> Grey:
    height, width = rng.integers(20, 200, 2)
    return rng.integers(0, 256, (height, width), np.uint8)


def _blank_paper(rng: np.random.Generator, _: Grey) -> Grey:
    height, width = rng.integers(28, 160, 2).tolist()
    appearance = Appearance(
        height_px=height,
        width_px=width,
        ink=0.0,
        paper=float(rng.uniform(80, 250)),
        grain=float(rng.uniform(0.5, 6)),
        light=(float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.2, 0.2)), 0.1),
        shadow=float(rng.choice([0.0, 0.3])),
    )
    return render(np.zeros((28, 28), np.uint8), appearance, rng)


KINDS: Mapping[str, _Make] = {
    **{name: partial(_as_scan, draw) for name, draw in non_digits.KINDS.items()},
    "pictures": _picture,
    "noise": _noise,
    "blank-paper": _blank_paper,
    **{f"numbers-{layout}": draw for layout, draw in number_scans.LAYOUTS.items()},
}
"""Functions that make a scan of a kind from digits, by name."""


def write(digits: Grey, folder: Path, count: int) -> None:
    """Write scans of every kind as PNG files.

    Args:
        digits: Digits to draw from, uint8 (n, height, width), white ink on black.
        folder: Folder to write to, with a folder for each kind, which must be missing.
        count: Number of scans of each kind.
    """
    rng = np.random.default_rng(SEED)
    for name, make in KINDS.items():
        kind_folder = folder / name / "none"
        kind_folder.mkdir(parents=True)
        for number in range(count):
            _, data = cv2.imencode(".png", make(rng, digits))
            (kind_folder / f"{number:04d}.png").write_bytes(bytes(data))


def main(arguments: Sequence[str]) -> None:
    """Write the folders."""
    if len(arguments) != 2:
        raise SystemExit("usage: python -m batch.training.evaluation.non_digit_scans DIGITS.npz FOLDER")
    arrays = read_numpy(Path(arguments[0]))
    digits = arrays["x_test"] if "x_test" in arrays else arrays["x"]
    write(np.asarray(digits, np.uint8), Path(arguments[1]), COUNT)
    print(arguments[1])


if __name__ == "__main__":
    main(sys.argv[1:])
