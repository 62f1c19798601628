"""Sheets of digits, labelled in the layouts of programs for annotation."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
GAP_PX = 6
COLUMNS = 4


class Sheets:
    """Images on sheets of `COLUMNS` by rows of two, each with its box in pixels.

    Args:
        images: The images, uint8 (n, height, width).
        labels: Their labels.
    """

    def __init__(self, images: Pixels, labels: Pixels) -> None:
        height, width = images.shape[1:]
        self.width, self.height = COLUMNS * (width + GAP_PX), 2 * (height + GAP_PX)
        self.pages: list[tuple[Pixels, list[tuple[str, list[int]]]]] = []
        for first in range(0, len(images), 2 * COLUMNS):
            sheet = np.zeros((self.height, self.width), np.uint8)
            boxes = []
            for place, image in enumerate(images[first : first + 2 * COLUMNS]):
                left = place % COLUMNS * (width + GAP_PX) + GAP_PX // 2
                top = place // COLUMNS * (height + GAP_PX) + GAP_PX // 2
                sheet[top : top + height, left : left + width] = image
                boxes.append((str(labels[first + place]), [left, top, width, height]))
            self.pages.append((sheet, boxes))

    def label_studio(self, folder: Path, short: bool = False) -> Path:
        """Write sheets and Label Studio's export, whole or short."""
        tasks: list[Any] = []
        for number, (sheet, boxes) in enumerate(self.pages):
            write(folder / f"{number}.png", sheet)
            address = f"/data/upload/1/0badcafe-{number}.png"
            values = [
                {
                    "x": 100 * box[0] / self.width,
                    "y": 100 * box[1] / self.height,
                    "width": 100 * box[2] / self.width,
                    "height": 100 * box[3] / self.height,
                    "rotation": 0,
                    "rectanglelabels": [label],
                }
                for label, box in boxes
            ]
            if short:
                tasks.append({"image": address, "id": number, "label": values, "annotator": 1})
            else:
                results = [{"type": "rectanglelabels", "value": value} for value in values]
                old = {"result": [], "was_cancelled": True}
                tasks.append({"data": {"image": address}, "annotations": [{"result": results}, old]})
        (folder / "project-1.json").write_text(json.dumps(tasks))
        return folder / "project-1.json"

    def coco(self, folder: Path, part: str = "") -> Path:
        """Write sheets below `images`, and COCO's boxes below `annotations`."""
        labels = sorted({label for _, boxes in self.pages for label, _ in boxes})
        images, annotations = [], []
        for number, (sheet, boxes) in enumerate(self.pages):
            write(folder / f"images{part}" / f"{number}.png", sheet)
            size = {"width": self.width, "height": self.height}
            images.append({"id": number, "file_name": f"{number}.png", **size})
            for label, box in boxes:
                annotations.append({"image_id": number, "category_id": labels.index(label), "bbox": box})
        categories = [{"id": number, "name": label} for number, label in enumerate(labels)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        path = folder / "annotations" / f"instances{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return folder

    def yolo(self, folder: Path, part: str = "") -> Path:
        """Write sheets below `images`, YOLO's boxes below `labels`, and the classes in `data.yaml`."""
        for number, (sheet, boxes) in enumerate(self.pages):
            write(folder / "images" / part / f"{number}.png", sheet)
            lines = [
                f"{9 - int(label)} {(box[0] + box[2] / 2) / self.width} {(box[1] + box[3] / 2) / self.height}"
                f" {box[2] / self.width} {box[3] / self.height}"
                for label, box in boxes
            ]
            path = folder / "labels" / part / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n")
        (folder / "data.yaml").write_text(
            f"train: images\nnc: 10\nnames: {[str(9 - n) for n in range(10)]}\n"
        )
        return folder


def write(path: Path, image: Pixels) -> None:
    """Write an image, and the folder that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(cv2.imencode(path.suffix, image)[1]))
