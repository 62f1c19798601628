"""Annotations of sheets as programs write them, and what digitbox loads of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from batch.training.data import labelled_scans
from batch.training.data.labelled_scans import LabelledScan
from sheets import Sheets, write

SCAN = np.full((40, 30), 200, np.uint8)
IMAGES = np.stack([SCAN - level for level in range(12)])
LABELS = np.arange(12) % 10
SHEETS = Sheets(IMAGES, LABELS)


def load(path: Path, **options: Any) -> tuple[list[LabelledScan], list[str]]:
    said: list[str] = []
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return labelled_scans.load(str(path), scratch, said.append, **options), said


def task(*values: dict[str, Any], image: str = "a.png", **extra: Any) -> dict[str, Any]:
    results = [{"value": value} for value in values]
    return {"data": {"image": image}, "annotations": [{"result": results, **extra}]}


def box(label: str = "3", left: float = 0, top: float = 0, width: float = 50, **extra: Any) -> dict[str, Any]:
    return {"x": left, "y": top, "width": width, "height": 50, "rectanglelabels": [label], **extra}


def write_tasks(folder: Path, *tasks: Any) -> Path:
    write(folder / "a.png", SCAN)
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder


COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 40}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}],
    "categories": [{"id": 1, "name": "3"}],
}


def coco(name: str = "a.png", **parts: Any) -> str:
    return json.dumps({**COCO, "images": [{**COCO["images"][0], "file_name": name}], **parts})
