"""Tables of labelled images: levels of pixels in a CSV, and files in Parquet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.config import MAX_PIXELS
from batch.errors import ImageError, InputError, MissingExtraError
from batch.images import decode
from batch.lengths import NUMBER
from batch.records import Grey
from batch.results.reader import delimiter
from batch.training.data.arrays import (
    UNDIVIDED,
    LabelledImages,
    check_lines,
    check_size,
    labelled,
    part_of,
)

FILE_COLUMNS = ("file", "filename", "file_name", "path", "filepath", "image", "img", "image_path", "name")
LABEL_COLUMNS = ("label", "digit", "class", "target", "y", "labels")
MIN_PIXELS = 64  # columns of a table of levels, of 8x8 pixels or more
_CLASSES = {**{str(digit): digit for digit in range(10)}, "none": -1}
_MAX_LINE = 1 << 20


def first_row(path: Path) -> list[str]:
    """Return the cells of the first line of a CSV; an empty list if the file is no text."""
    line = _first_line(path)
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter(line)), [])]


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.readline(_MAX_LINE)
    except (OSError, UnicodeDecodeError):
        return ""


def has_levels(path: Path) -> bool:
    """Return whether a CSV has the levels of an image in each line."""
    return len(first_row(path)) > MIN_PIXELS


def read_levels(path: Path) -> dict[str, LabelledImages]:
    """Read a CSV with a label and the levels of the pixels in each line, as those of Kaggle.

    Without a line of names, the label comes first, as Kaggle's, or last, as that of scikit-learn and UCI.

    Raises:
        InputError: The file is something else.
    """
    import pandas as pd

    names = [cell.lower() for cell in first_row(path)]
    has_names = not all(cell.lstrip("-").replace(".", "", 1).isdigit() for cell in names)
    label = next((name for name in LABEL_COLUMNS if name in names), None)
    if has_names and label is None:
        raise InputError(f"{path} has no labels: it needs a column {LABEL_COLUMNS[0]}")
    place = 0 if label is None else names.index(label)
    try:
        table = pd.read_csv(path, header=0 if has_names else None, sep=delimiter(_first_line(path)))
        values = table.to_numpy(np.float64)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path} is no table of levels: {error}") from error
    with path.open(encoding="utf-8-sig", newline="") as file:
        check_lines(values, file, path)
    if not has_names and _is_label_last(values[:, 0], values[:, -1]):
        place = values.shape[1] - 1
    images = np.delete(values, place, axis=1)
    origin = f"a label and {images.shape[1]} levels in each line"
    return {UNDIVIDED: labelled(images, values[:, place], str(path), origin)}


def _is_label_last(first: npt.NDArray[np.float64], last: npt.NDArray[np.float64]) -> bool:
    """Return whether the last column has the labels, and the first the levels of a corner of the images.

    A corner has one level, or too many for labels. Where all labels are one digit, a corner of zeros tells.
    """
    first_varies, last_varies = (
        bool(np.isin(column, range(-1, 10)).all() and np.ptp(column) > 0) for column in (first, last)
    )
    is_one_digit = last[0] in range(1, 10) and not np.ptp(last)
    return not first_varies and (last_varies or (is_one_digit and not first.any()))


def read_parquet(paths: list[Path]) -> dict[str, LabelledImages]:
    """Read Parquet files with images and labels, as those of Hugging Face.

    Args:
        paths: The files; those with `train` or `test` in their names are these parts.

    Raises:
        InputError: They hold something else, or an image cannot be read.
        MissingExtraError: The extra `parquet` is not installed.
    """
    parts: dict[str, list[Path]] = {}
    for path in paths:
        parts.setdefault(part_of(path.name), []).append(path)
    return {part: _read_part(files) for part, files in parts.items()}


def _read_part(paths: list[Path]) -> LabelledImages:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"reading {paths[0].name}", "parquet") from error
    images: list[Grey] = []
    labels: list[Any] = []
    size = 0
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                image, label = _columns(path, file.schema_arrow.names)
                classes = _classes(file.schema_arrow.metadata, label)
                groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
                size += sum(group.total_byte_size for group in groups)
                check_size(size, path)
                for rows in file.iter_batches(1000, columns=[image, label]):
                    images += [_grey(path, value) for value in rows.column(0).to_pylist()]
                    found = rows.column(1).to_pylist()
                    labels += [
                        classes.get(value, value) if isinstance(value, int) else value for value in found
                    ]
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"cannot read {path}: {error}; copy it anew") from error
    whole = labelled(np.zeros((len(images), 1, 1), np.uint8), np.array(labels), str(paths[0]), "")
    origin = ", ".join(path.name for path in paths)
    return LabelledImages(images, whole.labels, f"the columns {image} and {label} of {origin}")


def _columns(path: Path, names: list[str]) -> tuple[str, str]:
    image = next((name for name in FILE_COLUMNS if name in names), None)
    label = next((name for name in LABEL_COLUMNS if name in names), None)
    if image is None or label is None:
        raise InputError(f"{path} has the columns {names}: it needs image and label")
    return image, label


def _classes(metadata: dict[bytes, bytes] | None, column: str) -> dict[Any, Any]:
    """Return what the labels of a Parquet file mean, if Hugging Face has said so in it.

    A label is the place of a class among their names there: of folders 1 to 9, the label 0 is the digit 1. If
    no class has a digit or a number as name, the labels are taken as they are.

    Args:
        metadata: Metadata of the file's schema.
        column: The column of labels.

    Returns:
        The digit of each label, -1 for none, or a name that is neither, e.g. a number.
    """
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
        classes = {place: _CLASSES.get(name, name) for place, name in enumerate(names)}
    except (KeyError, TypeError, ValueError):
        return {}
    return classes if any(name in _CLASSES or NUMBER.fullmatch(str(name)) for name in names) else {}


def _grey(path: Path, value: Any) -> Grey:
    content = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(value, dict) and content is None and value.get("path"):
        raise InputError(
            f"{path} has the paths of images, not the images (e.g. {value['path']!r}): give their folder"
        )
    if not isinstance(content, bytes):
        raise InputError(f"{path}: an image must be the bytes of a file, not {type(content).__name__}")
    try:
        return decode.decode(content, MAX_PIXELS)
    except ImageError as error:
        raise InputError(f"{path}: an image cannot be read: {error.reason.value}, {error.detail}") from error
