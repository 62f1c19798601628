#!/bin/sh
# Label Studio says only in its whole JSON that a sheet was turned to label it; all other exports leave that out.
#
# Seen with label-studio-sdk 2.1.2, the converter behind the export. A person turns a sheet by 90 degrees to read it, with
# the button of `rotateControl`, and draws boxes around upright digits. The JSON has the boxes as they lie in the file,
# and `image_rotation` 90 beside each (web/libs/editor of Label Studio writes both). JSON-MIN, COCO, YOLO, VOC and CSV
# are the same whether the sheet was turned or not, and have the box as it lies in the file. So whoever cuts out the boxes
# gets digits that lie on their side, with right labels.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q label-studio-sdk==2.1.2 numpy==2.2.6 pillow==13.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from label_studio_sdk.converter import Converter
from PIL import Image

folder = Path(sys.argv[1])
print("label-studio-sdk", version("label-studio-sdk"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


uploads = folder / "uploads"
uploads.mkdir()
Image.new("L", (200, 100), 200).save(uploads / "sheet.png")
labels = "".join(f'<Label value="{digit}"/>' for digit in range(10))
config = (
    f'<View><Image name="sheet" value="$image" rotateControl="true"/><RectangleLabels name="digit" toName="sheet">'
    f"{labels}</RectangleLabels></View>"
)
LAYOUTS = ("JSON", "JSON_MIN", "CSV", "COCO", "YOLO", "VOC")


def exports(turn):
    """Return the content of each export of a sheet with one box that was turned by this, without times."""
    value = {"x": 50, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["7"]}
    result = {
        "id": "box", "value": value, "from_name": "digit", "to_name": "sheet", "type": "rectanglelabels",
        "original_width": 200, "original_height": 100, "image_rotation": turn,
    }  # fmt: skip
    annotation = {"id": 1, "completed_by": 1, "was_cancelled": False, "result": [result]}
    tasks = folder / f"tasks{turn}.json"
    tasks.write_text(json.dumps([{"id": 1, "data": {"image": "sheet.png"}, "annotations": [annotation]}]))
    converter = Converter(config=config, project_dir=str(folder), upload_dir=str(uploads), download_resources=False)
    found = {}
    for layout in LAYOUTS:
        out = folder / f"{layout}{turn}"
        converter.convert(str(tasks), str(out), layout, is_dir=False)
        files = [path for path in sorted(out.rglob("*")) if path.suffix in (".json", ".csv", ".txt", ".xml")]
        texts = [path.read_text() for path in files if path.name != "notes.json"]
        found[layout] = "\n".join(
            json.dumps(json.loads(text) | {"info": {}}) if layout == "COCO" else text for text in texts
        )
    return found


upright, turned = exports(0), exports(90)
for layout in LAYOUTS:
    print(f"  {layout}: {len(turned[layout])} characters, {turned[layout].count('image_rotation')} times image_rotation")
expect("every export has the box:", all("7" in text for text in turned.values()))
(task,) = json.loads(turned["JSON"])
expect("JSON says how it was turned:", task["annotations"][0]["result"][0]["image_rotation"] == 90)
same = [layout for layout in LAYOUTS if upright[layout] == turned[layout]]
print("  the same for both:", ", ".join(same))
expect("all others are the same for both:", same == list(LAYOUTS[1:]))
PYTHON
