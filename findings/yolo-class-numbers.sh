#!/bin/sh
# In YOLO's files that sahi and PyLabel make from COCO, the class of a box is no place in the list of names beside it.
#
# Seen with sahi 0.12.8 and pylabel 0.1.55 on COCO as CVAT exports it: the categories 0 to 9 have the ids 1 to 10. Both
# write these ids as classes, so a 7 has the class 8. The names in the YAML count from 0, so class 8 is named 8 there, and
# class 10 has no name. PyLabel lists only the digits that occur: with a sheet of 0, 3, 7 and 9, a 0 has the class 1,
# whose name is 3. So each box is labelled as another digit, without a word. supervision 0.31.2 numbers the classes anew.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 pillow==13.0.0 pandas==3.1.1 pyyaml==6.0.4 opencv-python-headless==5.0.0.93 \
    shapely tqdm requests click fire matplotlib jupyter-bbox-widget scikit-learn scipy defusedxml 'pydeprecate<0.14' av
# Without what they say they need, which is OpenCV with a window system.
"$folder/venv/bin/pip" install -q --no-deps sahi==0.12.8 pylabel==0.1.55 supervision==0.31.2 bbox-visualizer
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import contextlib
import io
import json
from importlib.metadata import version
from pathlib import Path

import yaml
from PIL import Image
from pylabel import importer
from sahi.utils.coco import Coco
from supervision import DetectionDataset

for name in ("sahi", "pylabel", "supervision"):
    print(name, version(name))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def labels(texts, names_file):
    """Return the class of each box, and the name that the YAML gives it."""
    names = yaml.safe_load(Path(names_file).read_text())["names"]
    lines = [line for text in sorted(texts) for line in text.read_text().splitlines()]
    classes = [int(line.split()[0]) for line in lines]
    return classes, [names[place] if place < len(names) else None for place in classes]


DIGITS = [0, 3, 7, 9]
Path("sheets").mkdir()
Image.new("L", (200, 100), 200).save("sheets/sheet.png")
boxes = [
    {"id": place, "image_id": 1, "category_id": digit + 1, "bbox": [40 * place, 20, 30, 50], "area": 1500, "iscrowd": 0}
    for place, digit in enumerate(DIGITS)
]
Path("sheets/coco.json").write_text(
    json.dumps(
        {
            "images": [{"id": 1, "file_name": "sheet.png", "width": 200, "height": 100}],
            "annotations": [box | {"segmentation": []} for box in boxes],
            "categories": [{"id": digit + 1, "name": str(digit), "supercategory": ""} for digit in range(10)],
        }
    )
)
with contextlib.redirect_stdout(io.StringIO()):
    Coco.from_coco_dict_or_path("sheets/coco.json", image_dir="sheets").export_as_yolo("sahi", train_split_rate=1)
    coco = importer.ImportCoco("sheets/coco.json", path_to_images="", name="digits")
    coco.export.ExportToYoloV5("pylabel/labels")
    sheets = DetectionDataset.from_coco("sheets", "sheets/coco.json")
    sheets.as_yolo("supervision/images", "supervision/labels", data_yaml_path="supervision/data.yaml")

print("  the boxes are of", DIGITS)
classes, names = labels(Path("sahi").rglob("*.txt"), "sahi/data.yml")
print("  sahi:", classes, "are named", names)
expect("sahi's names are one too high:", (classes, names) == ([1, 4, 8, 10], ["1", "4", "8", None]))
classes, names = labels(Path("pylabel").rglob("*.txt"), "pylabel/dataset.yaml")
print("  PyLabel:", classes, "are named", names)
expect("PyLabel's names are of what occurs:", (classes, names) == ([1, 4, 8, 10], ["3", None, None, None]))
classes, names = labels(Path("supervision").rglob("*.txt"), "supervision/data.yaml")
print("  supervision:", classes, "are named", names)
expect("supervision's are right:", names == [str(digit) for digit in DIGITS])
PYTHON
if grep -iE "categor|class" "$folder/messages"; then echo "CHANGED: it says something"; exit 1; fi
