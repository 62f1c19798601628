"""Data sets of made-up digits in the files that the training of the look reads."""

import csv
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.training.look.drawn_digits import draw_digit
from batch.training.look.packing import HELD_OUT_SWISS_WRITERS, DataPaths, pack
from batch.training.look.sources import Packed

WRITERS = 40
CHARACTERS = "RNXxmKMwEHkFe#@/\\-+=%$*<>()&?!~^abcdfghnprtuvyzABCDGLPTUVWY.:"


def bitmap(label: int, side: int, random: Random) -> npt.NDArray[np.uint8]:
    """Draw a digit as a picture of MNIST's kind."""
    image = np.zeros((side, side), np.uint8)
    for stroke in draw_digit(label, random):
        points = ((stroke * 0.6 + 0.2) * side * 16).astype(np.int32)
        cv2.polylines(image, [points], False, 255, max(1, side // 12), cv2.LINE_AA, 4)
    return image


def archive(rows: list[tuple[str, int]], random: Random) -> dict[str, npt.NDArray[Any]]:
    """Draw characters as strokes of UNIPEN's kind; rows are characters and writers."""
    points, stroke_starts, char_starts = [], [0], [0]
    for char, _ in rows:
        for stroke in draw_digit(ord(char) % 10, random):
            points.append((stroke * 1000).astype(np.int16))
            stroke_starts.append(stroke_starts[-1] + len(stroke))
        char_starts.append(len(stroke_starts) - 1)
    return {
        "points": np.concatenate(points),
        "stroke_starts": np.array(stroke_starts, np.int32),
        "char_starts": np.array(char_starts, np.int32),
        "chars": np.array([char for char, _ in rows]),
        "writers": np.array([writer for _, writer in rows], np.int16),
    }


def write(folder: Path) -> Path:
    """Write all data sets into a folder, with their usual names."""
    random = Random(5)
    digits = [(str(label), writer) for writer in range(WRITERS) for label in range(10)]
    others = [(char, writer) for writer in range(WRITERS) for char in CHARACTERS]
    np.savez(folder / "unipen_digits.npz", allow_pickle=False, **archive(digits, random))
    np.savez(folder / "unipen_others.npz", allow_pickle=False, **archive(others, random))
    labels = np.arange(200) % 10
    mnist = np.stack([bitmap(int(label), 28, random) for label in labels])
    usps = np.stack([bitmap(int(label), 16, random) for label in labels])
    np.savez(folder / "mnist.npz", x_train=mnist, y_train=labels.astype(np.uint8))
    np.savez(folder / "usps_train.npz", x=usps, y=labels)
    swiss = folder / "train_scans" / "swiss_pen"
    swiss.mkdir(parents=True)
    with (swiss / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "label", "writer"))
        for writer in (HELD_OUT_SWISS_WRITERS[0], "0001_CH3F"):
            for label in (0, 2, 3, 4, 5, 6, 7, 8):
                cv2.imwrite(str(swiss / f"{writer}-{label}.png"), 255 - bitmap(label, 90, random))
                rows.writerow((f"{writer}-{label}.png", label, writer))
    return folder


@cache
def packed() -> Packed:
    """Return all data sets as they are packed; the tests of a process share them."""
    with TemporaryDirectory() as folder:
        return pack(DataPaths.in_folder(write(Path(folder))))
