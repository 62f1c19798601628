#!/bin/sh
# Datumaro, the library behind CVAT's exports, leaves turned boxes out of COCO, YOLO and VOC without a word.
#
# Seen with datumaro 1.12.0 on CVAT's own XML of a sheet with two boxes, one of them turned by 30 degrees: the XML is
# read with both, and the sheet is exported with one. So a converted data set has digits on its sheets that no box
# names. Where the turn is an attribute of an upright box, as CVAT's server hands it over, COCO has the box as it was
# before the turn, with the turn only in `attributes`; YOLO has the same box and no turn.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datumaro==1.12.0 numpy==2.1.3 pillow==13.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import json
import sys
from importlib.metadata import version
from pathlib import Path

from datumaro.components.annotation import Bbox
from datumaro.components.dataset import Dataset
from PIL import Image

folder = Path(sys.argv[1])
print("datumaro", version("datumaro"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def exported(dataset, name):
    """Return the boxes in COCO, the lines in YOLO and the number of boxes in VOC of a data set."""
    for layout in ("coco_instances", "yolo", "voc"):
        dataset.export(str(folder / name / layout), layout, save_media=True)
    (coco,) = (folder / name / "coco_instances" / "annotations").iterdir()
    (yolo,) = (folder / name / "yolo").glob("obj_*_data/*.txt")
    (voc,) = (folder / name / "voc" / "Annotations").iterdir()
    lines = yolo.read_text().splitlines()
    return json.loads(coco.read_text())["annotations"], lines, voc.read_text().count("<object>")


sheets = folder / "cvat" / "images"
sheets.mkdir(parents=True)
Image.new("L", (200, 100), 200).save(sheets / "sheet.png")
labels = "".join(f"<label><name>{digit}</name><attributes></attributes></label>" for digit in range(10))
boxes = "".join(
    f'<box label="{label}" occluded="0" xtl="{left}" ytl="10" xbr="{left + 20}" ybr="50" {turn} z_order="0"></box>'
    for label, left, turn in ((7, 100, 'rotation="30.00"'), (3, 10, ""))
)
(folder / "cvat" / "annotations.xml").write_text(
    f"<annotations><version>1.1</version><meta><task><mode>annotation</mode><labels>{labels}</labels></task></meta>"
    f'<image id="0" name="sheet.png" width="200" height="100">{boxes}</image></annotations>'
)
dataset = Dataset.import_from(str(folder / "cvat"), "cvat")
(sheet,) = dataset
expect("CVAT's XML is read with both boxes:", len(sheet.annotations) == 2)
coco, yolo, voc = exported(dataset, "xml")
print("  COCO:", [box["bbox"] for box in coco], "YOLO:", yolo, "VOC:", voc)
expect("COCO, YOLO and VOC have only the upright one:", (len(coco), len(yolo), voc) == (1, 1, 1))

upright = Bbox(100, 10, 20, 40, label=7, attributes={"rotation": 30.0})
dataset = Dataset.from_iterable([sheet.wrap(annotations=[upright])], categories=[str(digit) for digit in range(10)])
coco, yolo, voc = exported(dataset, "attribute")
print("  COCO:", coco[0]["bbox"], coco[0]["attributes"], "YOLO:", yolo)
expect("COCO has the turn beside the box before it:", coco[0]["bbox"] == [100, 10, 20, 40])
expect("YOLO has that box, too:", yolo == ["7 0.550000 0.300000 0.100000 0.400000"])
PYTHON
if grep -iE "rotat|turned|skip|ignor" "$folder/messages"; then echo "CHANGED: it says something"; exit 1; fi
