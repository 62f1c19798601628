"""What the benchmarks read: MNIST's test images, and the same rendered as scans and photos."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np

from batch.training.rendering.conditions import CONDITIONS
from batch.training.rendering.render import render

DIGITS = Path(__file__).parents[1] / "tests" / "data" / "mnist_test.npz"
SCANS = 2000  # rendered ones that differ; more files repeat them
PHOTOS = 40


def make(folder: Path, counts: dict[str, int]) -> dict[str, Path]:
    """Writes folders of images.

    Args:
        folder: to write into.
        counts: number of files by kind: `digits` (28x28 PNG), `scans-png` and `scans-jpeg` (120x160),
            `photos` (1000x1400 JPEG).

    Returns:
        The folders, by kind.
    """
    rng = np.random.default_rng(1)
    digits = np.load(DIGITS)["x"]
    looks = list(CONDITIONS.values())
    found = {}
    for kind, count in counts.items():
        found[kind] = folder / kind
        found[kind].mkdir(parents=True)
        originals: list[Path] = []
        different = {"digits": len(digits), "photos": PHOTOS}.get(kind, SCANS)
        for number in range(count):
            suffix = "jpg" if kind in ("scans-jpeg", "photos") else "png"
            path = found[kind] / f"{number:07d}.{suffix}"
            if number >= different:
                _same(originals[number % different], path)
                continue
            digit = digits[number]
            if kind == "photos":
                look = dataclasses.replace(CONDITIONS["phone photo"], height_px=1400, width_px=1000)
                digit = render(digit, look, rng)
            elif kind != "digits":
                look = dataclasses.replace(looks[number % len(looks)], height_px=160, width_px=120)
                digit = render(digit, look, rng)
            cv2.imwrite(str(path), digit, [cv2.IMWRITE_JPEG_QUALITY, 85] if suffix == "jpg" else [])
            originals.append(path)
    return found


def some(folder: Path, count: int) -> Path:
    """A folder beside it with its first files."""
    part = folder.with_name(f"{folder.name}-{count}")
    part.mkdir()
    for path in sorted(folder.iterdir())[:count]:
        _same(path, part / path.name)
    return part


def _same(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except OSError:  # too many links to one file
        link.write_bytes(path.read_bytes())
