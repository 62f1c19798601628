#!/bin/sh
# Label Studio's exports for YOLO and COCO change boxes and lose annotations, where its JSON has both as drawn.
#
# Seen with label-studio-sdk 2.1.2, the converter behind the export. A box of 20x40 pixels, turned by 30 degrees on a
# sheet of 200x100: YOLO gets it upright, at its old corner. COCO gets a box of 57.3x39.6 pixels, since the turn is
# computed in per cent of both sides; the box around the turned one has 37.3x44.6. Of a sheet that two people have
# labelled, YOLO keeps the boxes of the last one, and COCO lists the sheet twice. Nothing is said of any of it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q label-studio-sdk==2.1.2 numpy==2.2.6 pillow==13.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

from label_studio_sdk.converter import Converter
from PIL import Image

WIDTH, HEIGHT = 200, 100
folder = Path(sys.argv[1])
print("label-studio-sdk", version("label-studio-sdk"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def drawn(number, label, turn=0):
    value = {"x": 50, "y": 10, "width": 10, "height": 40, "rotation": turn, "rectanglelabels": [label]}
    names = {"from_name": "digit", "to_name": "sheet", "type": "rectanglelabels"}
    sizes = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    result = {"id": f"box{number}", "value": value, **names, **sizes}
    return {"id": number, "completed_by": number, "was_cancelled": False, "result": [result]}


uploads = folder / "uploads"
uploads.mkdir()
tasks = []
for number, annotations in enumerate([[drawn(1, "7", 30)], [drawn(2, "9"), drawn(3, "4")]], 1):
    Image.new("L", (WIDTH, HEIGHT), 200).save(uploads / f"sheet{number}.png")
    tasks.append({"id": number, "data": {"image": f"sheet{number}.png"}, "annotations": annotations})
(folder / "tasks.json").write_text(json.dumps(tasks))
labels = "".join(f'<Label value="{digit}"/>' for digit in range(10))
config = (
    f'<View><Image name="sheet" value="$image"/><RectangleLabels name="digit" toName="sheet">{labels}'
    "</RectangleLabels></View>"
)
converter = Converter(
    config=config, project_dir=str(folder), upload_dir=str(uploads), download_resources=False
)
converter.convert_to_yolo(str(folder / "tasks.json"), str(folder / "yolo"), is_dir=False)
converter.convert_to_coco(str(folder / "tasks.json"), str(folder / "coco"), is_dir=False)

lines = {path.name.partition("__")[2]: path.read_text().split("\n") for path in folder.glob("yolo/labels/*")}
turned, twice = ([line for line in lines[f"sheet{number}.txt"] if line] for number in (1, 2))
print("  YOLO:", turned, twice)
expect("YOLO has the turned box upright:", turned == ["7 0.55 0.3 0.1 0.4"])
expect("YOLO has the boxes of the last of two people:", [line[:1] for line in twice] == ["4"])

coco = json.loads((folder / "coco" / "result.json").read_text())
turn = math.radians(30)
around = [20 * math.cos(turn) + 40 * math.sin(turn), 20 * math.sin(turn) + 40 * math.cos(turn)]
sides = coco["annotations"][0]["bbox"][2:]
print("  COCO:", [round(side, 1) for side in sides], "pixels, around the box are", [round(s, 1) for s in around])
expect("COCO has another box than that around the turned one:", abs(sides[0] - around[0]) > 15)
sheets = [image["file_name"].partition("__")[2] for image in coco["images"]]
expect("COCO has a sheet of two people twice:", sheets == ["sheet1.png", "sheet2.png", "sheet2.png"])
PYTHON
