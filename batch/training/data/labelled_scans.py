"""Labelled scans to look at and to test on, from folders, archives and MNIST."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from batch.errors import InputError
from batch.inputs.find import Inputs
from batch.records import Grey, ScanRef
from batch.training.data import datasets
from batch.training.data.datasets import FROM_KERAS, NOT_A_DIGIT

LABELS_FILE = "labels.csv"
NONE = "none"  # a label, or the name of a folder, of what is not a digit


@dataclass(frozen=True, slots=True)
class LabelledScan:
    """A scan, and the digit that it shows; None if it shows no digit."""

    ref: ScanRef
    label: int | None


def load(source: str, scratch: Path) -> list[LabelledScan]:
    """Load labelled scans.

    Args:
        source: A folder, an archive, or `mnist` or `fashion_mnist` for their test images. A folder has a
            `labels.csv` with the columns file and label, or folders named 0 to 9 and perhaps none. An .npz
            archive has x_test and y_test, or x and y, with -1 for what is not a digit.
        scratch: An empty folder for the images of archives, which are then read like other scans.

    Raises:
        InputError: If the source is missing or holds something else.
    """
    path = Path(source)
    if source in FROM_KERAS or path.suffix == ".npz":
        images, labels = _arrays(source)
        return list(_write(images, labels, scratch))
    if (path / LABELS_FILE).is_file():
        scans = list(_from_list(path))
    elif path.is_dir():
        scans = list(_from_folders(path))
    else:
        raise InputError(
            f"no labelled scans in {source}: give a folder, an .npz archive, or {' or '.join(FROM_KERAS)}"
        )
    if not scans:
        raise InputError(
            f"no labelled scans in {source}: it needs a {LABELS_FILE} with columns file and label, or "
            "folders named 0 to 9 and none"
        )
    return scans


def _label(text: str, where: str) -> int | None:
    if text.strip().lower() in ("", "-", "-1", NONE):
        return None
    if text.strip() not in {str(digit) for digit in range(10)}:
        raise InputError(f"{where}: {text!r} is no label: 0 to 9, or none")
    return int(text)


def _from_list(folder: Path) -> Iterator[LabelledScan]:
    file = folder / LABELS_FILE
    with file.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text)
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise InputError(f"{file} needs the columns file and label")
        for row in rows:
            path = folder / row["file"]
            yield LabelledScan(
                ScanRef(str(path), row["file"]), _label(row["label"], f"{file}, {row['file']}")
            )


def _from_folders(folder: Path) -> Iterator[LabelledScan]:
    for name in (*map(str, range(10)), NONE):
        if (folder / name).is_dir():
            for ref in Inputs([str(folder / name)], True, folder / "outbox"):
                yield LabelledScan(ScanRef(ref.path, os.path.join(name, ref.name)), _label(name, name))


def _arrays(source: str) -> tuple[Grey, list[int]]:
    if source in FROM_KERAS:
        test = datasets.load(source).test
        assert test is not None
        return test.images, np.where(test.labels == NOT_A_DIGIT, -1, test.labels).tolist()
    arrays = datasets.read_archive(Path(source))
    names = ("x_test", "y_test") if "x_test" in arrays else ("x", "y")
    if not set(names) <= set(arrays):
        raise InputError(f"{source} must hold x_test and y_test, or x and y; it has {sorted(arrays)}")
    images, labels = (arrays[name] for name in names)
    if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise InputError(f"{source}: images must be uint8 (n, height, width), with as many labels")
    if labels.min(initial=0) < -1 or labels.max(initial=0) > 9:
        raise InputError(f"{source}: labels must be 0 to 9, or -1 for none")
    return np.asarray(images, np.uint8), labels.astype(int).tolist()


def _write(images: Grey, labels: list[int], scratch: Path) -> Iterator[LabelledScan]:
    """Write images as files, and yield them as scans."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = scratch / f"{number:06d}.png"
        _, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        path.write_bytes(bytes(data))
        yield LabelledScan(ScanRef(str(path), path.stem), None if label < 0 else label)
