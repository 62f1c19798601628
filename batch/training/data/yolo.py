"""Boxes in YOLO's text files, one for each sheet; the name of a class is the label."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from batch.errors import InputError, MissingExtraError
from batch.inputs.names import IMAGE_SUFFIXES
from batch.training.data import annotations as all_annotations
from batch.training.data.annotations import NOT_A_BOX, Annotation, Annotations, Folder, box_of
from batch.training.data.arrays import part_of

LAYOUT = "boxes in YOLO's text"
NAMES = ("classes.txt", "obj.names", "_darknet.labels")
MAX_YAML_BYTES = 1 << 20
_NOT_BOXES = ("classes.txt", "train.txt", "test.txt", "val.txt", "valid.txt", "notes.txt")
_SAMPLE = 10  # files, and lines of each, to tell by that a folder has boxes
_BOX = re.compile(r"\s*\d{1,6}(?:\s+[-+.\deE]{1,40}){4,}\s*")
_CLASS = re.compile(r"\d{1,6}")


def find(folder: Path) -> list[tuple[Path, Path]]:
    """Return the files of boxes in a folder, each with its sheet; an empty list if it is no such data set."""
    found = []
    sheets = _Sheets(folder)
    for count, path in enumerate(sorted(folder.rglob("*.txt"))):
        if count >= all_annotations.MAX_FILES:
            raise InputError(f"{folder} has more than {count} files of text: give a smaller folder")
        if path.name not in _NOT_BOXES and (sheet := sheets.of(path)) is not None:
            found.append((path, sheet))
    texts = itertools.islice((path for path, _ in found if path.stat().st_size), _SAMPLE)
    lines = itertools.chain.from_iterable(itertools.islice(_lines(path), _SAMPLE) for path in texts)
    return found if any(map(_BOX.fullmatch, lines)) else []


def read(files: list[tuple[Path, Path]], root: Path, annotations: Annotations) -> None:
    """Add the boxes of some files.

    Args:
        files: Files of boxes, each with its sheet.
        root: Their folder. It says the names of the classes; without them, class 3 is the digit 3.
        annotations: Receives the boxes.

    Raises:
        InputError: A file is damaged, or there is no name for a class.
    """
    folder = Folder(root)
    names = _names(root)
    for path, sheet in files:
        name = folder.name_of(sheet)
        part = part_of(folder.name_of(path.parent))
        for number, line in enumerate(_lines(path), 1):
            class_number, *sides = line.split()
            if len(sides) > 5:  # the outline of a shape; a fifth number is a confidence
                annotations.left_out[part]["with an outline that is no box"] += 1
                continue
            box = box_of(sides[:4], 1, 1)
            if box is None:
                annotations.left_out[part][NOT_A_BOX] += 1
                continue
            if not _CLASS.fullmatch(class_number):
                raise InputError(f"{path}, line {number}: {line[:50]!r} is no box: export it again")
            label = names.get(int(class_number), "") if names else class_number
            if not label:
                raise InputError(
                    f"{path}, line {number}: class {class_number} has no name: add it to the file of names; "
                    "if the boxes are converted from COCO, give that instead, as the numbers may differ"
                )
            centred = box._replace(left=box.left - box.width / 2, top=box.top - box.height / 2)
            annotations.add(part, Annotation(sheet, name, label, centred))


def _lines(path: Path) -> Iterator[str]:
    return filter(str.strip, all_annotations.read_text(path).splitlines())


class _Sheets:
    """The sheets of files of boxes, beside them, or below `images` where they lie below `labels`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_stem: dict[Path, dict[str, Path]] = {}

    def of(self, path: Path) -> Path | None:
        """Return the sheet of a file of boxes; None if it has none."""
        parts = path.parent.relative_to(self._root).parts
        folders = [path.parent]
        if "labels" in parts:
            place = len(parts) - 1 - parts[::-1].index("labels")
            folders.append(self._root.joinpath(*parts[:place], "images", *parts[place + 1 :]))
        return next(filter(None, (self._in(folder).get(path.stem) for folder in folders)), None)

    def _in(self, folder: Path) -> dict[str, Path]:
        if folder not in self._by_stem:
            files = sorted(folder.iterdir()) if folder.is_dir() else []
            self._by_stem[folder] = {
                file.stem: file for file in files if file.suffix[1:].lower() in IMAGE_SUFFIXES
            }
        return self._by_stem[folder]


def _names(root: Path) -> dict[int, str]:
    """Return the names of the classes by number; none if no file says them."""
    for path in sorted(root.rglob("*")):
        if path.name in NAMES:
            lines = all_annotations.read_text(path).splitlines()
            return {number: line.strip() for number, line in enumerate(lines)}
    for path in sorted({*root.glob("*.yaml"), *root.glob("*.yml")}):
        if names := _from_yaml(path):
            return names
    return {}


def _from_yaml(path: Path) -> dict[int, str]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError(f"reading {path.name}", "train") from error
    try:
        content = yaml.safe_load(all_annotations.read_text(path, MAX_YAML_BYTES))
    # The last three are of values that are none of their type, e.g. !!int x, or a 45th of May.
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        raise InputError(f"{path} is no YAML: {error}; export it again") from error
    names = content.get("names") if isinstance(content, dict) else None
    by_number = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(by_number, dict):
        return {}
    return {
        int(number): str(name)  # a number may stand in quotes, as the keys of JSON do
        for number, name in by_number.items()
        if _CLASS.fullmatch(str(number)) and isinstance(name, int | str)
    }
