"""Texts of numbers with an image in each line: USPS in two forms, and Semeion."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.errors import InputError
from batch.training.data import compressed
from batch.training.data.arrays import TEST, LabelledImages, check_lines, labelled, part_of

MAX_BYTES = 1 << 30  # of the text
MAX_VALUES = 1 << 28  # levels of all images
MIN_SIDE_PX, MAX_SIDE_PX = 8, 256

_CLASSES = 10
_COMPARED = 200  # images, to tell their side
_MAX_COMMENTS, _MAX_LINE = 1000, 1 << 20
_FROM_0 = "# Column indices are zero-based"  # as scikit-learn writes it
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_LIBSVM = re.compile(rf"\s*{_NUMBER}(?:\s+\d+:{_NUMBER})+\s*")
_NUMBERS = re.compile(rf"\s*{_NUMBER}(?:[ \t]+{_NUMBER})*\s*")
_Values = npt.NDArray[np.float32]
_Numbers = npt.NDArray[np.int64]


def matches(path: Path) -> bool:
    """Return whether the first line of a file, perhaps compressed, is an image in one of these forms."""
    line = _first_line(path)
    return _LIBSVM.fullmatch(line) is not None or _form(line) is not None


def read(path: Path) -> dict[str, LabelledImages]:
    """Read a file of images, which is for training or testing if its name says so.

    Raises:
        InputError: It is too large or damaged.
    """
    # LIBSVM's own files to test on are called so.
    part = TEST if path.name.endswith((".t", ".t.bz2")) else part_of(path.name)
    line = _first_line(path)
    if _LIBSVM.fullmatch(line):
        images, labels, start = _libsvm(path)
        origin = f"a label and levels numbered from {start} in each line, as LIBSVM's"
    elif _form(line) == "label":
        values = _table(path)
        images, labels = values[:, 1:], values[:, 0]
        origin = "a label and levels in each line, as USPS's"
    else:
        values = _table(path)
        images, labels = values[:, :-_CLASSES], values[:, -_CLASSES:]
        origin = "levels and ten columns of classes in each line, as Semeion's"
    if images.size and images.min() < 0 and -1 <= images.min() <= images.max() <= 1:
        images = ((images + 1) / 2).astype(np.float32)
    return {part: labelled(images, labels, str(path), origin)}


def _form(line: str) -> str | None:
    """Return how a line of numbers holds its label: `label` or `classes`; None if it holds no image."""
    if not _NUMBERS.fullmatch(line):
        return None
    numbers = line.split()
    if _is_square(len(numbers) - 1):
        return "label"
    ends = numbers[-_CLASSES:]
    is_one_hot = sorted(map(float, ends)) == [0.0] * (_CLASSES - 1) + [1.0]
    return "classes" if is_one_hot and _is_square(len(numbers) - _CLASSES) else None


def _is_square(count: int) -> bool:
    return count >= MIN_SIDE_PX**2 and math.isqrt(count) ** 2 == count


def _table(path: Path) -> _Values:
    import pandas as pd

    text = _text(path)
    try:
        table = pd.read_csv(io.StringIO(text), sep=r"\s+", header=None, dtype=np.float32, comment="#")
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path} is no table of numbers: {error}; copy it anew") from error
    values = table.to_numpy(np.float32)
    check_lines(values, io.StringIO(text), path)
    return values


def _libsvm(path: Path) -> tuple[_Values, _Values, int]:
    """Return images, labels, and the number of the first level, 0 or 1. Levels of 0 may be missing."""
    text = _text(path)
    lines = [words for line in text.splitlines() if (words := line.partition("#")[0].split())]
    try:
        labels = np.array([line[0] for line in lines], np.float32)
        numbers = [np.array([pair.partition(":")[0] for pair in line[1:]], np.int64) for line in lines]
        levels = [np.array([pair.partition(":")[2] for pair in line[1:]], np.float32) for line in lines]
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {error}; copy it anew") from error
    last = max((int(number.max()) for number in numbers if number.size), default=1)
    first = min((int(number.min()) for number in numbers if number.size), default=1)
    start = 0 if first == 0 or _FROM_0 in text else 1
    count = last - start + 1
    side = _side(numbers, levels, start, count) if first >= start and count <= MAX_SIDE_PX**2 else None
    if side is None or len(lines) * side**2 > MAX_VALUES:
        raise InputError(
            f"{path} has levels number {first} to {last} in {len(lines)} lines: they must begin with 0 or 1, "
            f"with at most {MAX_SIDE_PX**2} for each image and {MAX_VALUES} in all"
        )
    images = _images(numbers, levels, start, side**2)
    # The labels of USPS there are 1 to 10, for 0 to 9.
    are_to_10 = labels.size and labels.min() >= 1 and labels.max() == _CLASSES
    return images, labels - 1 if are_to_10 else labels, start


def _side(numbers: list[_Numbers], levels: list[_Values], start: int, count: int) -> int:
    """Return the side of images whose last rows may be blank, so that their levels are missing.

    Of the sides with which at most half of the rows are blank, it is the one with which pixels are most like
    those above them.
    """
    smallest = max(MIN_SIDE_PX, math.isqrt(count - 1) + 1)
    if smallest**2 == count:
        return smallest  # no level is missing
    largest = min(MAX_SIDE_PX, max(smallest, math.isqrt(2 * count)))
    images = _images(numbers[:_COMPARED], levels[:_COMPARED], start, count)

    def likeness(side: int) -> float:
        return float(np.einsum("ij,ij->", images[:, :-side], images[:, side:]))

    return max(range(smallest, largest + 1), key=likeness)


def _images(numbers: list[_Numbers], levels: list[_Values], start: int, size: int) -> _Values:
    images = np.zeros((len(numbers), size), np.float32)
    for image, number, level in zip(images, numbers, levels, strict=True):
        image[number - start] = level
    return images


def _first_line(path: Path) -> str:
    """Return the first line with more than a comment."""
    try:
        with compressed.open_file(path) as file:
            for _ in range(_MAX_COMMENTS):
                if numbers := file.readline(_MAX_LINE).partition(b"#")[0].strip():
                    return numbers.decode("ascii")
            return ""
    except (*compressed.DAMAGE, UnicodeDecodeError):
        return ""


def _text(path: Path) -> str:
    try:
        with compressed.open_file(path) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path} has more than {MAX_BYTES >> 30} GiB of text: give fewer lines")
        return content.decode()
    except (*compressed.DAMAGE, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged: {error}; copy it anew") from error
