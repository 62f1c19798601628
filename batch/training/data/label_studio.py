"""Label Studio's JSON export, the whole and the short form: labels of scans, and of boxes on sheets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from batch.training.data.annotations import NOT_A_BOX, Annotation, Annotations, Box, Folder, box_of
from batch.training.data.arrays import UNDIVIDED, part_of

LAYOUT = "Label Studio's JSON export"
_UPLOAD = re.compile(r"[0-9a-f]{8}-(.+)", re.DOTALL)  # it puts a random word before the name of a file
_CHOICES, _RECTANGLE = "choices", "rectanglelabels"


def matches(content: Any) -> bool:
    """Return whether some JSON is such an export."""
    return isinstance(content, list) and any(_is_task(task) for task in content[:100])


def read(content: Any, source: Path, annotations: Annotations) -> None:
    """Add the labels of an export. Of several annotations of a task, the last that nobody withdrew counts.

    Args:
        content: The JSON.
        source: Its file.
        annotations: Receives the labels.

    Raises:
        InputError: A path leaves the folder of the file.
    """
    folder = Folder(source.parent)
    numbers = [_number(task) for task in content]
    last = {number: index for index, number in enumerate(numbers)}
    for index, (number, task) in enumerate(zip(numbers, content, strict=True)):
        if number is not None and last[number] != index:
            continue
        if not _is_task(task):
            annotations.left_out[UNDIVIDED]["of a task without an image or an annotation"] += 1
            continue
        address = _address(task)
        file = next(filter(None, (folder.find(name, source) for name in _names(address))), None)
        name = "" if file is None else folder.name_of(file)
        part = part_of(os.path.dirname(name))
        for label, box, quarter_turns, problem in _labels(task):
            if file is None:
                annotations.left_out[part][
                    f"of an image that is not there (e.g. {_names(address)[-1]!r})"
                ] += 1
            elif problem:
                annotations.left_out[part][problem] += 1
            else:
                annotations.add(part, Annotation(file, name, label, box, quarter_turns))


def _is_task(task: Any) -> bool:
    return (
        isinstance(task, dict) and bool(_address(task)) and ("data" not in task or _results(task) is not None)
    )


def _number(task: Any) -> int | None:
    """Return the number of the task; None if it has none. The short form has a task for each annotation."""
    number = task.get("id") if isinstance(task, dict) else None
    return number if isinstance(number, int) else None


def _address(task: dict[str, Any]) -> str:
    """Return the address of a task's image: that of the whole form lies in `data`."""
    data = task.get("data", task)
    if not isinstance(data, dict):
        return ""
    texts = [value for value in data.values() if isinstance(value, str)]
    named = data.get("image") or data.get("img")
    if isinstance(named, str):
        return named
    return next((text for text in texts if re.search(r"\.[a-z]{3,4}$", text, re.IGNORECASE)), "")


def _names(address: str) -> list[str]:
    """Return the names that the file of an image may have below the folder of the export."""
    try:
        parts = urlsplit(address)
    except ValueError:  # a host in brackets that is no address
        return [address]
    local = parse_qs(parts.query).get("d", [""])[0]  # of files on the server's own disk
    path = unquote(local or parts.path)
    last = PurePosixPath(path).name
    names = [path] if local or not (parts.scheme or path.startswith("/")) else []
    if upload := _UPLOAD.fullmatch(last):
        return [*names, last, upload[1]]
    return [*names, last]


def _results(task: dict[str, Any]) -> list[Any] | None:
    """Return the results of the annotation of a task that counts; None without annotations."""
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        return None
    results = [
        annotation["result"]
        for annotation in annotations
        if isinstance(annotation, dict)
        and not annotation.get("was_cancelled")
        and isinstance(annotation.get("result"), list)
    ]
    return results[-1] if results else []


def _labels(task: dict[str, Any]) -> Iterator[tuple[str, Box | None, int, str]]:
    """Yield each label of a task with its box, how often to turn its picture, and why it is left out.

    Boxes are of the sheet as it lies in its file. `image_rotation` says how a person turned it to read it.
    """
    if "data" in task:
        for result in _results(task) or []:
            value = result.get("value") if isinstance(result, dict) else None
            if isinstance(value, dict):
                turn = result.get("image_rotation")
                quarters, rest = divmod(turn % 360 if isinstance(turn, int | float) else 0, 90)
                for label, box, problem in _of_value(value):
                    if box and rest:
                        box = box._replace(is_turned=True)
                    yield label, box, 0 if rest else int(quarters), problem
        return
    for value in task.values():  # the short form has each control as a key
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    for label, box, problem in _of_value(item):
                        yield label, box, 0, problem
    if isinstance(choice := task.get("choice"), str):
        yield choice, None, 0, ""


def _of_value(value: dict[str, Any]) -> Iterator[tuple[str, Box | None, str]]:
    for kind in (_CHOICES, _RECTANGLE):
        labels = value.get(kind)
        if not isinstance(labels, list) or not labels:
            continue
        if len(labels) > 1 or not isinstance(labels[0], str):
            yield "", None, "with several labels"
        elif kind == _CHOICES:
            yield labels[0], None, ""
        else:
            sides = [value.get(side) for side in ("x", "y", "width", "height")]
            box = box_of(sides, 100, 100, is_turned=bool(value.get("rotation")))  # they are per cent
            yield labels[0], box, "" if box else NOT_A_BOX
