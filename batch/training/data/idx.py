"""The IDX files of MNIST and EMNIST, plain or compressed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.errors import InputError
from batch.training.data import compressed
from batch.training.data.arrays import LabelledImages, check_size, labelled, part_of

MAGIC_IMAGES, MAGIC_LABELS = b"\0\0\x08\x03", b"\0\0\x08\x01"  # unsigned bytes, in three dimensions or one
_PLACES = ("*", "raw/*-ubyte*", "*/raw/*-ubyte*")  # torchvision makes MNIST/raw in the folder it is given


def magic(path: Path) -> bytes:
    """Return the first four bytes of a file, or of what is compressed in it; empty if it cannot be read."""
    try:
        with compressed.open_file(path) as file:
            return file.read(4)
    except compressed.DAMAGE:
        return b""


def find(path: Path) -> dict[str, tuple[Path, Path]]:
    """Return the files of images and of labels by part.

    Args:
        path: A folder, also one that torchvision made, or the file of images or of labels.

    Raises:
        InputError: Images have no labels, or two files are of the same part.
    """
    candidates = [path, *_other_names(path)]
    if path.is_dir():
        candidates = sorted(file for place in _PLACES for file in path.glob(place))
    found: dict[str, tuple[Path, Path]] = {}
    for images in candidates:
        if not images.is_file() or magic(images) != MAGIC_IMAGES:
            continue
        labels = next((other for other in _other_names(images) if magic(other) == MAGIC_LABELS), None)
        if labels is None:
            raise InputError(f"{images} has no labels: put {next(_other_names(images)).name} beside it")
        unpacked = images.with_name(images.name.removesuffix(".gz"))
        if unpacked in (known for known, _ in found.values()):
            continue  # torchvision keeps the compressed file, too
        part = part_of(images.name)
        if part in found:
            raise InputError(f"{path} has several data sets, {found[part][0]} and {images}: name one")
        found[part] = images, labels
    return found


def read(path: Path) -> dict[str, LabelledImages]:
    """Read the data set of `find`.

    Raises:
        InputError: A file is damaged, or has no labels.
    """
    parts = {}
    for part, (images, labels) in find(path).items():
        origin = f"{images.name} and {labels.name}"
        parts[part] = labelled(_array(images), _array(labels), str(path), origin)
    return parts


def _other_names(path: Path) -> Iterator[Path]:
    """Yield the names that the labels of some images may have, and the reverse."""
    for old, new in (("images", "labels"), ("labels", "images")):
        if old in path.name:
            dimensions = ("idx3", "idx1") if old == "images" else ("idx1", "idx3")
            name = path.name.replace(old, new).replace(*dimensions)
            yield path.with_name(name)
            yield path.with_name(name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz")


def _array(path: Path) -> npt.NDArray[np.uint8]:
    try:
        with compressed.open_file(path) as file:
            dimensions = file.read(4)[3]
            shape = [int.from_bytes(file.read(4), "big") for _ in range(dimensions)]
            size = math.prod(shape)
            check_size(size, path)
            content = file.read(size + 1)
    except compressed.DAMAGE as error:
        raise InputError(f"{path} is damaged: {error}; copy it anew") from error
    if len(content) != size:
        raise InputError(f"{path} is damaged: its content is not {size} bytes; copy it anew")
    return np.frombuffer(content, np.uint8).reshape(shape)
