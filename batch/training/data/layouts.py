"""The layouts in which people have labelled images, told by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from batch.errors import InputError
from batch.inference import model_store, models, reader
from batch.inference.models import Model
from batch.records import Grey, Image, ScanRef
from batch.training.data import arrays, idx, number_texts, tables
from batch.training.data.arrays import LabelledImages, Parts
from batch.training.progress import Progress

CHECKED = 200  # images that the default model reads to see how they lie
MIN_CHECKED = 50
TURNED_BETTER = 0.3  # share by which more must be read right if they are turned
FEW_RIGHT = 0.5  # share below which labels and images hardly belong together
BRIGHT = 127  # median level of the edge of dark ink on light paper


def find_arrays(path: Path) -> Parts | None:
    """Read labelled images that are no files of their own.

    Args:
        path: A NumPy archive, a .npy file or a folder of them; IDX files or their folder; a CSV of levels; a
            Parquet file or a folder of them; a text of USPS or Semeion, or a folder of such texts.

    Returns:
        The parts; None if the path holds something else.

    Raises:
        InputError: The content is damaged, or has no labels.
        MissingExtraError: It is Parquet, and the extra is not installed.
    """
    if path.is_dir():
        if parts := idx.read(path):
            return parts
        if list(path.glob("*.npy")):
            return arrays.parts_of(arrays.read_numpy(path), str(path))
        files = sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))
        return tables.read_parquet(files) if files else _find_texts(path)
    start = idx.magic(path)
    if idx.dimensions(start):
        return idx.read(path)
    if start == b"PK\x03\x04" or path.suffix == ".npz":
        return arrays.parts_of(arrays.read_numpy(path), str(path))
    if start == b"\x93NUM":
        return arrays.parts_of(arrays.read_numpy(path.parent), str(path.parent))
    if start == b"PAR1":
        return tables.read_parquet([path])
    if number_texts.matches(path):
        return number_texts.read(path)
    return tables.read_levels(path) if path.suffix != ".json" and tables.has_levels(path) else None


def _find_texts(folder: Path) -> Parts | None:
    """Read the texts of numbers in a folder, e.g. zip.train and zip.test; None if it has none.

    Raises:
        InputError: A text is damaged, or two are of the same part.
    """
    found: Parts = {}
    read: list[str] = []
    for file in sorted(folder.iterdir()):
        if file.is_file() and number_texts.matches(file):
            parts = number_texts.read(file)
            if not parts.keys().isdisjoint(found):
                raise InputError(f"{folder} has several data sets, {read[-1]} and {file.name}: name one")
            found = {**found, **parts}
            read.append(file.name)
    return found or None


def upright(part: LabelledImages, source: str, say: Progress) -> LabelledImages:
    """Turn images that lie on their side, as those of EMNIST, and say what was taken for what.

    The default model reads some of the images as they are and with rows and columns exchanged.

    Args:
        part: The images.
        source: Their file or folder, for the line.
        say: Receives the line.
    """
    height, width = part.images[0].shape
    words = [f"{len(part.labels)} images of {width}x{height} with labels, {part.origin}"]
    words.append("dark on light" if is_dark_on_light(part.images) else "light on dark")
    digits = np.flatnonzero(part.labels >= 0)
    if len(digits) >= MIN_CHECKED:
        chosen = digits[np.linspace(0, len(digits) - 1, min(CHECKED, len(digits))).astype(int)]
        images = [part.images[index] for index in chosen.tolist()]
        labels = part.labels[chosen].tolist()
        model = models.load(model_store.find(None))
        as_they_are = _share_right(model, images, labels)
        turned = _share_right(model, [np.ascontiguousarray(image.T) for image in images], labels)
        if turned >= as_they_are + TURNED_BETTER:
            words.append("turned upright: rows and columns were exchanged")
            part = replace(part, images=[np.ascontiguousarray(image.T) for image in part.images])
        if (right := max(as_they_are, turned)) < FEW_RIGHT:
            words.append(f"only {right:.0%} of {len(images)} read as labelled: look at them with explore")
    say(f"{source}: {'; '.join(words)}")
    return part


def is_dark_on_light(images: Sequence[Grey] | Grey) -> bool:
    """Return whether most images are bright at their edge."""
    edges = [np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]) for image in images[:CHECKED]]
    return float(np.median([np.median(edge) for edge in edges])) > BRIGHT


def _share_right(model: Model, images: list[Grey], labels: list[int]) -> float:
    outcomes = reader.read_images(((ScanRef("", ""), Image(image, "")) for image in images), model)
    return float(np.mean([outcome.label == label for outcome, label in zip(outcomes, labels, strict=True)]))
