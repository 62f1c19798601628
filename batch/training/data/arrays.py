"""Arrays of labelled images in the usual shapes and under the usual names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.errors import InputError
from batch.records import Grey
from batch.text import count

TRAIN, TEST, UNDIVIDED = "train", "test", ""
"""The parts of a data set."""

MAX_BYTES = 4 << 30
"""The most bytes of the arrays of a file or a folder."""

_Array = npt.NDArray[np.generic]
_PART = re.compile(r"(?<![a-z])(train|test|t10k|val|valid|validation)(?:ing|set)?(?![a-z])")

_NAMES: Mapping[str, Sequence[tuple[str, str]]] = {
    TRAIN: (("x_train", "y_train"), ("train_images", "train_labels")),
    TEST: (("x_test", "y_test"), ("test_images", "test_labels")),
    UNDIVIDED: (
        ("x", "y"),
        ("images", "labels"),
        ("image", "label"),
        ("data", "target"),
        ("data", "labels"),
        ("arr_0", "arr_1"),
    ),
}
"""The names of images and labels, in small letters, by part."""
NAMES_ADVICE = "name the arrays x_train and y_train, x_test and y_test, or x and y"
_NUMBERS_ADVICE = "numbers are for a labels.csv, or folders with their names"
_ZERO_BEFORE = re.compile(r"\s*0\d")  # as text, a number; a digit is written without
_FEW_LEVELS = 16  # of scans of 4 bits, as those of scikit-learn


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """One part of a data set.

    Attributes:
        images: Grey images, uint8 (height, width), in an array if all have one size.
        labels: Labels, int32 (n,), 0 to 9, or -1 for what is not a digit.
        origin: Where they were found, in a few words.
    """

    images: Sequence[Grey] | Grey
    labels: npt.NDArray[np.int32]
    origin: str


Parts = Mapping[str, LabelledImages]
"""The parts of a data set, by `TRAIN`, `TEST` and `UNDIVIDED`."""


def part_of(path: str) -> str:
    """Return the part that a path names; what is for validation is to test on, too."""
    words = _PART.findall(path.lower())
    return UNDIVIDED if not words else TRAIN if words[-1] == TRAIN else TEST


def parts_of(arrays: Mapping[str, _Array], source: str) -> dict[str, LabelledImages]:
    """Return the parts that some named arrays are.

    Args:
        arrays: The arrays by name.
        source: Their file or folder, for messages.

    Raises:
        InputError: They have other names, or do not hold images and labels.
    """
    by_name = {name.lower(): name for name in arrays}
    parts = {}
    for part, pairs in _NAMES.items():
        for pair in pairs:
            if set(pair) <= set(by_name):
                images, labels = (by_name[name] for name in pair)
                parts[part] = labelled(arrays[images], arrays[labels], source, f"{images} and {labels}")
                break
    if not parts:
        raise InputError(f"{source} has the arrays {sorted(arrays)}: {NAMES_ADVICE}")
    return parts


def labelled(images: _Array, labels: _Array, source: str, origin: str) -> LabelledImages:
    """Return images and labels in one form.

    Args:
        images: (n, height, width), also with one channel before or after, or (n, height * width) of squares.
            Levels are 0 to 255, 0 to 1, or 0 to 16.
        labels: (n,) or (n, 1), numbers or texts; or (n, 10), one of them 1.
        source: Their file or folder, for messages.
        origin: Where they were found, in a few words.

    Raises:
        InputError: They are something else.
    """
    pictures = _pictures(images, source)
    numbers = _numbers(labels, source)
    if len(numbers) != len(pictures):
        raise InputError(f"{source}: {len(pictures)} images have {len(numbers)} labels: give one for each")
    if not len(numbers):
        raise InputError(f"{source} has no images: give some")
    return LabelledImages(pictures, numbers, origin)


def read_numpy(path: Path) -> dict[str, _Array]:
    """Read a NumPy archive, or the arrays in a folder, by name and without pickled objects.

    Raises:
        InputError: A file is missing or damaged, or holds objects.
    """
    arrays: dict[str, _Array] = {}
    file, kind = path, ".npz archive"
    try:
        if path.is_dir():
            kind = ".npy file"
            files = sorted(path.glob("*.npy"))
            check_size(sum(file.stat().st_size for file in files), path)
            for file in files:
                arrays[file.stem] = np.load(file, allow_pickle=False)
            return arrays
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            check_size(sum(member.file_size for member in archive.zip.infolist()), path)
            return {name: archive[name] for name in archive.files}
    except InputError:
        raise
    except Exception as error:  # zipfile and zlib have many of their own
        raise InputError(f"{file} is not a {kind} of arrays: {error}; save it anew") from error


def check_size(size: int, path: Path) -> None:
    """Check that arrays are not too large for the memory.

    Args:
        size: Their bytes.
        path: Their file or folder, for messages.

    Raises:
        InputError: They are.
    """
    if size > MAX_BYTES:
        raise InputError(f"{path} has {size:,} bytes of arrays: give a smaller file")


def check_lines(values: npt.NDArray[np.floating], lines: Iterable[str], path: Path) -> None:
    """Check that each line of a table of numbers has all of them; pandas fills short ones with nan.

    Args:
        values: The numbers of the table.
        lines: The lines of the file. There may be others before those of the table, e.g. with names.
        path: The file, for messages.

    Raises:
        InputError: A line has fewer numbers than others.
    """
    counts = np.count_nonzero(~np.isnan(values), axis=1)
    short = np.flatnonzero(counts < values.shape[1])
    if short.size:
        numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
        row = int(short[0])
        raise InputError(
            f"{path}, line {numbers[row - len(counts)]}: {count(int(counts[row]), 'number')}, and "
            f"{values.shape[1]} in another line: complete it"
        )


def _pictures(images: _Array, source: str) -> Grey:
    shape = images.shape
    if images.ndim == 4 and shape[3] == 1:
        images = images[..., 0]
    elif images.ndim == 4 and shape[1] == 1:
        images = images[:, 0]
    elif images.ndim == 2 and math.isqrt(shape[1]) ** 2 == shape[1]:
        images = images.reshape(shape[0], math.isqrt(shape[1]), -1)
    if images.ndim != 3 or min(images.shape[1:]) < 1:
        raise InputError(f"{source}: images must be (n, height, width), not {shape}: reshape them")
    if images.dtype.kind not in "buif":
        raise InputError(f"{source}: images must be numbers, not {images.dtype}: convert them")
    if not images.size:
        return np.zeros(images.shape, np.uint8)
    low, high = float(images.min()), float(images.max())
    if math.isnan(low):
        raise InputError(f"{source}: levels must be numbers, and some are nan: give each pixel one")
    if not 0 <= low <= high <= 255:
        raise InputError(f"{source}: levels must be 0 to 255, or 0 to 1, not {low:g} to {high:g}: scale them")
    top = 1 if high <= 1 else _FEW_LEVELS if high <= _FEW_LEVELS else 255
    if top == 255:
        return np.rint(images).astype(np.uint8) if images.dtype.kind == "f" else images.astype(np.uint8)
    return np.rint(images.astype(np.float32) * (255 / top)).astype(np.uint8)


def _numbers(labels: _Array, source: str) -> npt.NDArray[np.int32]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] == 10 and labels.dtype.kind in "buif":
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise InputError(f"{source}: each row of ten labels must have a single 1: give whole numbers")
        labels = labels.argmax(axis=1)
    try:
        texts = labels.astype(str).ravel().tolist() if labels.dtype.kind in "SUO" else []
        numbers = labels.astype(np.float64)
    except ValueError as error:
        raise InputError(f"{source}: labels must be whole numbers: {error}") from error
    if numbers.ndim != 1:
        raise InputError(f"{source}: labels must be one for each image, not {labels.shape}")
    if missing := np.count_nonzero(np.isnan(numbers)):
        raise InputError(
            f"{source}: {missing} of {len(numbers)} labels are missing: give a label to each image, "
            "-1 to what is not a digit"
        )
    if (number := next(filter(_ZERO_BEFORE.match, texts), None)) is not None:
        raise InputError(f"{source}: labels must be digits, not {number!r}; {_NUMBERS_ADVICE}")
    if (broken := numbers[numbers != np.rint(numbers)]).size:
        raise InputError(f"{source}: labels must be whole numbers, not {broken[0]:g}")
    if numbers.size and not -1 <= numbers.min() <= numbers.max() <= 9:
        raise InputError(
            f"{source}: labels must be 0 to 9, or -1 for what is not a digit; they are {numbers.min():g} to "
            f"{numbers.max():g}; {_NUMBERS_ADVICE}"
        )
    return numbers.astype(np.int32)
