"""The inputs of the benchmarks: MNIST's test images, and the same rendered as scans and photos."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np

from batch.training.rendering.conditions import CONDITIONS
from batch.training.rendering.render import render

DIGITS = Path(__file__).parents[1] / "tests" / "data" / "mnist_test.npz"
SCANS = 2000  # different rendered scans; more files repeat them
BOXES = ("box", "partial box")
PHOTOS = 40  # different photos, which take long to render


def make(folder: Path, counts: dict[str, int]) -> dict[str, Path]:
    """Write folders of images.

    Args:
        folder: Folder to write into.
        counts: Number of files by kind: `digits` (28x28 PNG), `scans-png` and `scans-jpeg` (120x160),
            `forms` (90x140 JPEG with a box), `photos` (1000x1400 JPEG).

    Returns:
        The folders by kind.
    """
    rng = np.random.default_rng(1)
    digits = np.load(DIGITS)["x"]
    conditions = list(CONDITIONS.values())
    folders = {}
    for kind, count in counts.items():
        folders[kind] = folder / kind
        folders[kind].mkdir(parents=True)
        originals: list[Path] = []
        different = {"digits": len(digits), "photos": PHOTOS}.get(kind, SCANS)
        for number in range(count):
            suffix = "jpg" if kind in ("scans-jpeg", "forms", "photos") else "png"
            path = folders[kind] / f"{number:07d}.{suffix}"
            if number >= different:
                _link(originals[number % different], path)
                continue
            image = digits[number]
            if kind == "photos":
                photo = dataclasses.replace(CONDITIONS["phone photo"], height_px=1400, width_px=1000)
                image = render(image, photo, rng)
            elif kind == "forms":
                box = CONDITIONS[BOXES[number % len(BOXES)]]
                image = render(image, dataclasses.replace(box, height_px=140, width_px=90), rng)
            elif kind != "digits":
                condition = conditions[number % len(conditions)]
                image = render(image, dataclasses.replace(condition, height_px=160, width_px=120), rng)
            cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 85] if suffix == "jpg" else [])
            originals.append(path)
    return folders


def first_files(folder: Path, count: int) -> Path:
    """Make a folder beside another one that holds its first files."""
    part = folder.with_name(f"{folder.name}-{count}")
    part.mkdir()
    for path in sorted(folder.iterdir())[:count]:
        _link(path, part / path.name)
    return part


def _link(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except OSError:  # a file system has a highest number of links to a file
        link.write_bytes(path.read_bytes())
