"""Labelled scans to look at and to test on, from files of the usual layouts and from MNIST."""

from __future__ import annotations

import csv
import errno
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from batch.errors import ConfigError, InputError
from batch.inputs.find import Inputs
from batch.inputs.names import Skipped, Why
from batch.lengths import MAX_DIGITS, NUMBER
from batch.locations import absolute, check_location, check_name
from batch.records import Grey, ScanRef
from batch.results.reader import delimiter
from batch.text import text_cell
from batch.training.data import annotated, datasets, layouts, tables
from batch.training.data.annotations import Annotations, cut_out
from batch.training.data.arrays import TEST, TRAIN, UNDIVIDED
from batch.training.data.datasets import FROM_KERAS, NOT_A_DIGIT
from batch.training.progress import Progress

LABELS_FILE = "labels.csv"
NONE = "none"  # a label, or the name of a folder, of what is not a digit
LAYOUTS = (
    f"a {LABELS_FILE} with the columns file and label, folders named 0 to 9 and none, "
    "labels of Label Studio, COCO or YOLO, or a data set"
)
FOR_NUMBERS = "digitbox evaluate and explore take numbers with --digits"
_NO_DIGIT = ("-", "-1", NONE)
WITHOUT_LABEL = "without a label"
MAX_REASONS = 10  # for what is left out, each in a line
_CLASSES = (*map(str, range(10)), NONE)


@dataclass(frozen=True, slots=True)
class LabelledScan:
    """A scan, and what it shows.

    Attributes:
        ref: The scan.
        label: The digit; None if it shows no digit, or numbers were asked for.
        number: The number as text, with its leading zeros; None if it shows none, or digits were asked for.
    """

    ref: ScanRef
    label: int | None
    number: str | None = None


def load(
    source: str, scratch: Path, say: Progress, *, part: str = TEST, numbers: bool = False
) -> list[LabelledScan]:
    """Load labelled scans.

    Args:
        source: A folder with a `labels.csv` or with folders named 0 to 9 and perhaps none, also under `train`
            and `test`; a CSV with the paths of scans and their labels; labels of Label Studio, COCO or YOLO;
            a layout of `layouts.find_arrays`; or `mnist` or `fashion_mnist` for their test images.
        scratch: An empty folder for the images of arrays, which are then read like other scans.
        say: Receives a line that says what was taken for what.
        part: The part to take of what is divided, `TEST` or `TRAIN`; another one if there is no such part.
        numbers: Labels are numbers of any length. A folder may then have such a name, too.

    Raises:
        InputError: If the source is missing or holds something else.
        MissingExtraError: If it needs an extra that is not installed.
    """
    return _Loader(source, scratch, say, part, numbers).load()


class _Loader:
    """Loads the scans of one source; the parameters are those of `load`."""

    def __init__(self, source: str, scratch: Path, say: Progress, part: str, numbers: bool):
        self._source, self._scratch, self._say, self._numbers = source, scratch, say, numbers
        self._parts = part, UNDIVIDED, TRAIN if part == TEST else TEST  # the better first
        self._left_out = Counter[str]()

    def load(self) -> list[LabelledScan]:
        """Load the scans by the first layout that fits."""
        source, path = self._source, Path(self._source)
        if source in FROM_KERAS:
            test = datasets.load(source, self._say).test
            assert test is not None
            return self._write(test.images, np.where(test.labels == NOT_A_DIGIT, -1, test.labels).tolist())
        if not path.exists():
            raise InputError(f"no labelled scans in {source}: give {LAYOUTS}, or {' or '.join(FROM_KERAS)}")
        file = path / LABELS_FILE if path.is_dir() else path
        if file.is_file() and (columns := _columns(file)) is not None:
            return self._checked(self._on_a_list(file, *columns))
        if file.is_file() and file.suffix.lower() == ".csv" and not tables.first_row(file):
            raise InputError(f"{file} is empty or not in UTF-8: save it as CSV in UTF-8")
        if path.is_dir() and file.is_file():
            raise InputError(f"{file} has the columns {tables.first_row(file)}: it needs file and label")
        if path.is_dir() and (scans := self._in_folders(path)):
            return scans
        if (annotations := annotated.find(path)) is not None:
            return self._checked(self._annotated(annotations))
        if (parts := layouts.find_arrays(path)) is not None:
            chosen = parts[next(name for name in self._parts if name in parts)]
            chosen = layouts.upright(chosen, source, self._say)
            return self._write(chosen.images, chosen.labels.tolist())
        folders = [child.name for child in path.iterdir() if child.is_dir()] if path.is_dir() else []
        if not self._numbers and any(NUMBER.fullmatch(name) and name not in _CLASSES for name in folders):
            raise InputError(f"{source} has folders with numbers as names: {FOR_NUMBERS}")
        return self._checked([])

    def _checked(self, scans: list[LabelledScan]) -> list[LabelledScan]:
        if not scans:
            raise InputError(f"no labelled scans in {self._source}: give {LAYOUTS}")
        return scans

    def _say_left_out(self) -> None:
        for reason, count in self._left_out.most_common(MAX_REASONS):
            self._say(f"left out: {count} {reason}")
        self._left_out.clear()

    def _is_label(self, text: str) -> bool:
        text = text.strip()
        if text.lower() in _NO_DIGIT:
            return True
        return NUMBER.fullmatch(text) is not None if self._numbers else text in _CLASSES

    def _labelled(self, ref: ScanRef, text: str, where: str) -> LabelledScan:
        text = text.strip()
        if not self._is_label(text):
            one_of = f"a number of at most {MAX_DIGITS} digits" if self._numbers else "0 to 9"
            advice = f"; {FOR_NUMBERS}" if NUMBER.fullmatch(text) else ""
            raise InputError(f"{where}: {text!r} is no label: {one_of}, or none{advice}")
        if text.lower() in _NO_DIGIT:
            return LabelledScan(ref, None)
        return LabelledScan(ref, None, text) if self._numbers else LabelledScan(ref, int(text))

    def _on_a_list(self, file: Path, path_column: str, label_column: str) -> list[LabelledScan]:
        """Return the scans of a CSV that are there, each once."""
        self._say(f"{file}: scans of the column {path_column} with labels of the column {label_column}")
        once = _once(self._rows(file, path_column, label_column), self._left_out)
        scans = _present(once, file, self._left_out)
        self._say_left_out()
        return scans

    def _rows(self, file: Path, path_column: str, label_column: str) -> Iterator[LabelledScan]:
        """Yield the scan of each line that has a label, and count the others."""
        try:
            with file.open(encoding="utf-8-sig", newline="") as text:
                header = text.readline()
                text.seek(0)
                rows = csv.DictReader(text, delimiter=delimiter(header))
                for row in rows:
                    cells = {name.strip(): cell or "" for name, cell in row.items() if isinstance(name, str)}
                    name, label = cells[path_column].strip(), cells[label_column].strip()
                    where = f"{file}, line {rows.line_num}"
                    if not name and any(cells.values()):  # it would be the folder itself
                        raise InputError(f"{where}: the label {label!r} has no file: name it")
                    if not name:
                        continue
                    check = check_location if name.startswith("file://") else check_name
                    try:
                        path = check(name)
                    except ConfigError as error:
                        raise InputError(f"{where}: {error}") from error
                    if not label:  # nobody has looked at it yet
                        self._left_out[WITHOUT_LABEL] += 1
                        continue
                    ref = ScanRef(str(file.parent / path), name)
                    yield self._labelled(ref, label, f"{file}, {name}")
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"cannot read {file}: {error}; save it as CSV in UTF-8") from error

    def _in_folders(self, path: Path) -> list[LabelledScan]:
        """Return the scans in folders named as their labels, those of the best part that has some."""
        folder = next((path / part for part in self._parts if self._has_classes(path / part)), path)

        def count_link(skipped: Skipped) -> None:
            if skipped.why is Why.LINK:
                self._left_out[f"as {skipped.why}"] += 1

        scans = []
        for name in self._names(folder):
            if (folder / name).is_dir():
                inputs = Inputs([str(folder / name)], True, folder / "outbox")
                inputs.show_skipped = count_link
                for ref in inputs:
                    scan = ScanRef(ref.path, os.path.join(name, ref.name))
                    scans.append(self._labelled(scan, name, name))
        if scans:
            self._say(f"{folder}: scans in folders named as their labels")
            self._left_out += self._outside_folders(folder)
        self._say_left_out()
        return scans

    def _has_classes(self, folder: Path) -> bool:
        return any((folder / name).is_dir() for name in self._names(folder))

    def _names(self, folder: Path) -> list[str]:
        """Return the names that folders of labels may have."""
        if not self._numbers or not folder.is_dir():
            return [*_CLASSES]
        return [*sorted(path.name for path in folder.iterdir() if NUMBER.fullmatch(path.name)), NONE]

    def _outside_folders(self, folder: Path) -> Counter[str]:
        """Count the scans in a folder that lie in no folder of a label, by where they lie."""
        labels, found = {*self._names(folder)}, Counter[str]()
        for ref in Inputs([str(folder)], True, folder / "outbox"):
            name, is_deeper, _ = ref.name.partition(os.sep)
            if not is_deeper:
                found["in no folder of a label"] += 1
            elif name not in labels:
                is_number = NUMBER.fullmatch(name) is not None
                numbers = f"folders with numbers as names; {FOR_NUMBERS}"
                found[f"in {numbers if is_number else f'the folder {name[:40]!r}'}"] += 1
        return found

    def _annotated(self, annotations: Annotations) -> list[LabelledScan]:
        """Return the labelled scans, and the boxes on labelled sheets as scans of their own."""
        found = annotations.found
        part = next((name for name in self._parts if name in found), self._parts[0])
        chosen = list(dict.fromkeys(found.get(part, [])))  # several files may have the same boxes
        self._left_out = sum((annotations.left_out[name] for name in {part, UNDIVIDED}), Counter[str]())
        known = [annotation for annotation in chosen if self._is_label(annotation.label)]
        for annotation in chosen:
            label = annotation.label.strip()
            if not self._is_label(label):
                is_number = NUMBER.fullmatch(label) is not None
                what = (
                    f"a number as label; {FOR_NUMBERS}"
                    if is_number
                    else f"the label {annotation.label[:40]!r}"
                )
                self._left_out[f"with {what}" if label else WITHOUT_LABEL] += 1
        scans = [
            self._labelled(ScanRef(str(whole.file), whole.name), whole.label, self._source)
            for whole in known
            if whole.box is None
        ]
        boxes = (annotation for annotation in known if annotation.box is not None)
        for number, (box, name, picture) in enumerate(cut_out(boxes, self._left_out)):
            ref = ScanRef(self._write_picture(picture, number), name)
            scans.append(self._labelled(ref, box.label, self._source))
        self._say(f"{self._source}: {len(scans)} labelled scans, {annotations.layout}")
        self._say_left_out()
        return scans

    def _write(self, images: Sequence[Grey] | Grey, labels: list[int]) -> list[LabelledScan]:
        """Write images as files, and return them as scans."""
        scans = []
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{number:06d}"
            ref = ScanRef(self._write_picture(image, number), name)
            scans.append(self._labelled(ref, str(label), name))
        return scans

    def _write_picture(self, image: Grey, number: int) -> str:
        path = self._scratch / f"{number:06d}.png"
        _, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        path.write_bytes(bytes(data))
        return str(path)


def _columns(file: Path) -> tuple[str, str] | None:
    """Return the columns of paths and of labels of a CSV, as they are written there; None if it has none."""
    names = {name.lower(): name for name in reversed(tables.first_row(file))}
    path = next((names[name] for name in tables.FILE_COLUMNS if name in names), None)
    label = next((names[name] for name in tables.LABEL_COLUMNS if name in names), None)
    return None if path is None or label is None or tables.has_levels(file) else (path, label)


def _once(scans: Iterable[LabelledScan], left_out: Counter[str]) -> list[LabelledScan]:
    """Return each scan once, without those that have several labels, and count what is left out."""
    found: dict[str, list[LabelledScan]] = {}
    for scan in scans:
        found.setdefault(absolute(scan.ref.path), []).append(scan)
    unclear: list[str] = []
    once: list[LabelledScan] = []
    for first, *others in found.values():
        if any((scan.label, scan.number) != (first.label, first.number) for scan in others):
            unclear.append(first.ref.name)
            continue
        once.append(first)
        if others:
            left_out["named before, with the same label"] += len(others)
    if unclear:
        left_out[f"with several labels, e.g. {text_cell(unclear[0])}"] = len(unclear)
    return once


def _present(scans: list[LabelledScan], file: Path, left_out: Counter[str]) -> list[LabelledScan]:
    """Return the scans of a list whose file is there, and count the others.

    Raises:
        InputError: There are only others. They are no mistakes of a model.
    """
    present: list[LabelledScan] = []
    gone: list[str] = []
    for scan in scans:
        if _is_gone(scan.ref.path):
            gone.append(scan.ref.name)
        else:
            present.append(scan)
    if gone and not present:
        raise InputError(
            f"{file}: none of its files is there, e.g. {gone[0]!r}: write paths from the folder of the list"
        )
    if gone:
        left_out[f"of a file that is not there (e.g. {gone[0]!r})"] = len(gone)
    return present


def _is_gone(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
    return False
