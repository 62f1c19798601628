"""The IDX files of MNIST, EMNIST and QMNIST, plain or compressed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.errors import InputError
from batch.training.data import compressed
from batch.training.data.arrays import LabelledImages, check_size, labelled, part_of

# Kinds of numbers by the third byte of a file; the fourth is the number of dimensions.
_KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_IMAGES, _LABELS = (3,), (1, 2)  # dimensions; labels of QMNIST have two
_QMNIST_COLUMNS = 8  # of its labels: the digit, then series and writer of NIST, and so on
_PLACES = ("*", "raw/*-ubyte*", "*/raw/*-ubyte*")  # torchvision makes MNIST/raw in the folder it is given


def magic(path: Path) -> bytes:
    """Return the first four bytes of a file, or of what is compressed in it; empty if it cannot be read."""
    try:
        with compressed.open_file(path) as file:
            return file.read(4)
    except compressed.DAMAGE:
        return b""


def dimensions(start: bytes) -> int:
    """Return how many dimensions an IDX file has by its first four bytes; 0 if it has no images or labels."""
    is_idx = len(start) == 4 and start[:2] == b"\0\0" and start[2] in _KINDS
    return start[3] if is_idx and start[3] in (*_LABELS, *_IMAGES) else 0


def find(path: Path) -> dict[str, tuple[Path, Path]]:
    """Return the files of images and of labels by part.

    Args:
        path: A folder, also one that torchvision made, or the file of images or of labels.

    Raises:
        InputError: Images have no labels or labels no images, or two files are of the same part.
    """
    candidates = list(dict.fromkeys((path, *_other_names(path))))
    if path.is_dir():
        candidates = sorted(file for place in _PLACES for file in path.glob(place))
    found: dict[str, tuple[Path, Path]] = {}
    for images in candidates:
        if not images.is_file() or dimensions(magic(images)) not in _IMAGES:
            continue
        labels = next((other for other in _other_names(images) if dimensions(magic(other)) in _LABELS), None)
        if labels is None:
            other = next(_other_names(images), None)
            advice = f"put {other.name} beside it" if other else 'have "images" and "labels" in the two names'
            raise InputError(f"{images} has no labels: {advice}")
        unpacked = images.with_name(images.name.removesuffix(".gz"))
        if unpacked in (known for known, _ in found.values()):
            continue  # torchvision keeps the compressed file, too
        part = part_of(images.name)
        if part in found:
            raise InputError(f"{path} has several data sets, {found[part][0]} and {images}: name one")
        found[part] = images, labels
    if not found and path.is_file():
        raise InputError(f"{path} has no images: put them beside it, or name their file")
    return found


def read(path: Path) -> dict[str, LabelledImages]:
    """Read the data set of `find`.

    Raises:
        InputError: A file is damaged, or has no labels.
    """
    parts = {}
    for part, (images, labels) in find(path).items():
        origin = f"{images.name} and {labels.name}"
        numbers = _array(labels)
        if numbers.ndim == 2 and numbers.shape[1] == _QMNIST_COLUMNS:
            numbers = numbers[:, 0]
        parts[part] = labelled(_array(images), numbers, str(path), origin)
    return parts


def _other_names(path: Path) -> Iterator[Path]:
    """Yield the names that the labels of some images may have, and the reverse."""
    for old, new in (("images", "labels"), ("labels", "images")):
        if old in path.name:
            for kinds in (("idx3", "idx1"), ("idx3-ubyte", "idx2-int")):  # the second of QMNIST
                name = path.name.replace(old, new).replace(*(kinds if old == "images" else kinds[::-1]))
                yield path.with_name(name)
                yield path.with_name(name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz")


def _array(path: Path) -> npt.NDArray[np.generic]:
    try:
        with compressed.open_file(path) as file:
            _, _, kind, count = file.read(4)
            shape = [int.from_bytes(file.read(4), "big") for _ in range(count)]
            size = math.prod(shape) * np.dtype(_KINDS[kind]).itemsize
            check_size(size, path)
            content = file.read(size + 1)
    except compressed.DAMAGE as error:
        raise InputError(f"{path} is damaged: {error}; copy it anew") from error
    if len(content) != size:
        raise InputError(f"{path} is damaged: its content is not {size} bytes; copy it anew")
    return np.frombuffer(content, _KINDS[kind]).reshape(shape)
