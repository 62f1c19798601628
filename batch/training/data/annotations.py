"""What people said of scans and of boxes on sheets, and the pictures of these boxes."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from batch.config import MAX_PIXELS
from batch.errors import ImageError, InputError
from batch.images import decode
from batch.records import Grey, ScanRef
from batch.training.data.arrays import part_of

MAX_BYTES = 256 << 20  # of a file of annotations, which needs several times as much memory
MAX_FILES = 1_000_000  # in a folder of sheets
MIN_SIDE_PX = 4  # of a box; digitbox reads no smaller scan

NOT_A_BOX = "in a box without four numbers"


class Box(NamedTuple):
    """A box on an upright sheet, as shares of its width and height; a turned one as before the turn."""

    left: float
    top: float
    width: float
    height: float
    is_turned: bool = False


@dataclass(frozen=True, slots=True)
class Annotation:
    """A label of a scan, or of a box on a sheet.

    Attributes:
        file: The scan or the sheet.
        name: Its name below the folder of the annotations.
        label: The label as it is written.
        box: The box; None for the whole scan.
        quarter_turns: How often to turn the box's picture clockwise by 90 degrees to have it upright.
    """

    file: Path
    name: str
    label: str
    box: Box | None = None
    quarter_turns: int = 0


@dataclass(slots=True)
class Annotations:
    """The annotations of one source.

    Attributes:
        layout: The layout, in words.
        root: The folder of the data set, in which names say what is to train on and to test on.
        found: The annotations by part.
        left_out: How many annotations digitbox leaves out, by part and reason.
        turned: Those among them whose box is turned.
    """

    layout: str
    root: Path
    found: dict[str, list[Annotation]] = field(default_factory=dict)
    left_out: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    turned: set[Annotation] = field(default_factory=set)

    def add(self, part: str, annotation: Annotation) -> None:
        """Add an annotation to a part, or leave it out if its box is turned; several files may have it."""
        if annotation.box is None or not annotation.box.is_turned:
            self.found.setdefault(part, []).append(annotation)
        elif annotation not in self.turned:
            self.turned.add(annotation)
            self.left_out[part]["in a turned box"] += 1


class Folder:
    """A folder with scans or sheets, and the files in it by the names that annotations give them.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, name: str, source: Path) -> Path | None:
        """Return the file of this path in the folder, or else the only one of this name in it.

        Of several files of the name, those count whose path ends as this one, and that are in a folder of the
        part of the annotations.

        Args:
            name: The path as the annotations have it.
            source: The file of the annotations, for messages.

        Returns:
            The file; None if there is none, or several have this name.

        Raises:
            InputError: The path is absolute, or leaves the folder.
        """
        name = name.replace("\\", "/")
        if not name or "\0" in name:
            return None
        if os.path.isabs(name) or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
            raise InputError(
                f"{source} names {name!r}, which leaves {self.path}: write paths relative to that folder"
            )
        try:
            if (path := self.path / name).is_file():
                return path
        except OSError:  # the name is too long
            return None
        same_name = self._by_name.get(os.path.basename(name), [])
        if len(same_name) > 1:
            ending = Path(name).parts
            same_name = [file for file in same_name if file.parts[-len(ending) :] == ending] or same_name
        if len(same_name) > 1:
            part = part_of(self.name_of(source))
            same_name = [file for file in same_name if part_of(self.name_of(file.parent)) == part]
        return same_name[0] if len(same_name) == 1 else None

    def name_of(self, file: Path) -> str:
        """Return the name of a file below the folder."""
        return os.path.relpath(file, self.path)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        by_name: dict[str, list[Path]] = {}
        count = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                by_name.setdefault(name, []).append(Path(folder, name))
            if (count := count + len(names)) > MAX_FILES:
                raise InputError(f"{self.path} has more than {MAX_FILES} files: give a smaller folder")
        return by_name


def box_of(sides: Any, width: float, height: float, *, is_turned: bool = False) -> Box | None:
    """Return a box from what a file says of it; None if these are not four numbers.

    Args:
        sides: Its left, top, width and height.
        width: The width of the sheet in the same unit.
        height: Its height.
        is_turned: True if somebody turned the box.
    """
    if not isinstance(sides, list) or len(sides) != 4:
        return None
    try:
        left, top, box_width, box_height = map(float, sides)
        box = Box(left / width, top / height, box_width / width, box_height / height, is_turned)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return box if all(map(math.isfinite, box)) else None


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Read a file of annotations.

    Args:
        path: The file.
        max_bytes: Largest size that it may have.

    Raises:
        InputError: It is too large, or no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise InputError(f"{path} has more than {max_bytes >> 20} MiB: divide it")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; save it as text in UTF-8") from error


def read_json(path: Path) -> Any:
    """Read a file of annotations in JSON.

    Raises:
        InputError: It is too large, or damaged.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}; export it again") from error


def cut_out(
    annotations: Iterable[Annotation], left_out: Counter[str]
) -> Iterator[tuple[Annotation, str, Grey]]:
    """Cut the boxes out of their sheets, a sheet at a time.

    Args:
        annotations: Annotations with a box.
        left_out: Receives how many boxes lie outside their sheet, or on one that cannot be read.

    Yields:
        An annotation, the name of its picture, and the picture, uint8 (height, width).
    """
    for file, of_sheet in groupby(
        sorted(annotations, key=lambda found: found.file), lambda found: found.file
    ):
        on_sheet = list(of_sheet)
        try:
            sheet = decode.read(ScanRef(str(file), str(file)), MAX_PIXELS, full_size=True).grey
        except ImageError as error:
            name = f"on a sheet that cannot be read ({on_sheet[0].name}, {error.reason.value})"
            left_out[name] += len(on_sheet)
            continue
        for number, annotation in enumerate(on_sheet, 1):
            assert annotation.box is not None
            picture = _cut(sheet, annotation.box)
            if picture is None:
                left_out["outside the sheet, or too small"] += 1
            else:
                upright = np.ascontiguousarray(np.rot90(picture, -annotation.quarter_turns))
                yield annotation, f"{annotation.name} box {number}", upright


def _cut(sheet: Grey, box: Box) -> Grey | None:
    """Return the part of a box that lies on the sheet; None if that is hardly anything."""
    height, width = sheet.shape
    left, right = max(0.0, box.left) * width, min(1.0, box.left + box.width) * width
    top, bottom = max(0.0, box.top) * height, min(1.0, box.top + box.height) * height
    if right - left < MIN_SIDE_PX or bottom - top < MIN_SIDE_PX:
        return None
    return sheet[round(top) : round(bottom), round(left) : round(right)].copy()
