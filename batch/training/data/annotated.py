"""The search for files of annotations, told by their content."""

from __future__ import annotations

from pathlib import Path

from batch.training.data import coco, label_studio, yolo
from batch.training.data.annotations import Annotations, read_json

JSON_PLACES = ("*.json", "annotations/*.json", "*/_annotations.coco.json")
"""Where the files of annotations of a data set lie below its folder."""


def find(path: Path) -> Annotations | None:
    """Read the labels of Label Studio, COCO or YOLO.

    Args:
        path: A file of JSON, or a folder with such files or with YOLO's files of text; or its file of names.

    Returns:
        The annotations; None if the path holds something else.

    Raises:
        InputError: A file is too large or damaged, or names a path outside its folder.
    """
    is_named = path.suffix.lower() == ".json" and path.is_file()
    if is_named or path.is_dir():
        files = [path] if is_named else [file for place in JSON_PLACES for file in sorted(path.glob(place))]
        contents = [(file, read_json(file)) for file in files]
        for layout in (coco, label_studio):
            if matching := [(file, content) for file, content in contents if layout.matches(content)]:
                annotations = Annotations(layout.LAYOUT, path.parent if is_named else path)
                for file, content in matching:
                    layout.read(content, file, annotations)
                return annotations
    root = path.parent if path.name in yolo.NAMES or path.suffix.lower() in (".yaml", ".yml") else path
    if root.is_dir() and (boxes := yolo.find(root)):
        annotations = Annotations(yolo.LAYOUT, root)
        yolo.read(boxes, root, annotations)
        return annotations
    return None
