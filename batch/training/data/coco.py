"""Boxes in the JSON of COCO; the name of a category is the label."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from batch.errors import InputError
from batch.training.data.annotations import NOT_A_BOX, Annotation, Annotations, Folder, box_of
from batch.training.data.arrays import part_of

LAYOUT = "boxes in COCO's JSON"
_LISTS = ("images", "annotations", "categories")


def matches(content: Any) -> bool:
    """Return whether some JSON has COCO's three lists."""
    return isinstance(content, dict) and all(isinstance(content.get(name), list) for name in _LISTS)


def read(content: Any, source: Path, annotations: Annotations) -> None:
    """Add the boxes of a file. Of several images with one name, the last counts.

    Label Studio writes an image for each person who has labelled a sheet.
    The sheets lie beside the file, or below its folder. If that is named annotations, they may also lie
    beside this folder.

    Args:
        content: The JSON.
        source: Its file.
        annotations: Receives the boxes.

    Raises:
        InputError: An image has no size or no name, or a path leaves the folder.
    """
    root = source.parent.parent if source.parent.name == "annotations" else source.parent
    folder = Folder(root)
    try:
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        images = {
            image["id"]: (str(image["file_name"]), float(image["width"]), float(image["height"]))
            for image in content["images"]
        }
        boxes = [
            (
                box["image_id"],
                images.get(box["image_id"]),
                categories.get(box["category_id"]),
                box.get("bbox"),
                _is_turned(box),
            )
            for box in content["annotations"]
        ]
    except KeyError as error:
        raise InputError(
            f"{source} lacks {error}, which COCO's images and boxes have: export it again"
        ) from error
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InputError(
            f"{source} has images or boxes that are not as COCO's are ({error}): export it again"
        ) from error
    last = {name: image_id for image_id, (name, _, _) in images.items()}
    of_source = part_of(os.path.relpath(source, annotations.root))
    files = {}
    for image_id, image, label, box, is_turned in boxes:
        if image is None:
            annotations.left_out[of_source]["of an image that the file does not list"] += 1
            continue
        name, width, height = image
        if image_id not in files:
            files[image_id] = folder.find(name, source)
        file = files[image_id]
        of_file = "" if file is None else folder.name_of(file)
        part = of_source or part_of(os.path.dirname(of_file or name))
        if last[name] != image_id:
            annotations.left_out[part]["of a sheet that a later image has, too"] += 1
        elif file is None:
            annotations.left_out[part][f"of an image that is not there (e.g. {name!r})"] += 1
        elif label is None:
            annotations.left_out[part]["of an unknown category"] += 1
        elif (shares := box_of(box, width, height, is_turned=is_turned)) is None:
            annotations.left_out[part][NOT_A_BOX] += 1
        else:
            annotations.add(part, Annotation(file, of_file, label, shares))


def _is_turned(box: dict[str, Any]) -> bool:
    """Return whether CVAT says that a box was turned: its `bbox` is that before the turn."""
    attributes = box.get("attributes")
    turn = attributes.get("rotation") if isinstance(attributes, dict) else None
    return isinstance(turn, int | float) and turn % 360 != 0
