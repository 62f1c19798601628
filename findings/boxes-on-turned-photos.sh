#!/bin/sh
# globox and PyLabel put the boxes of YOLO beside the digits if a sheet is a photo that EXIF turns upright.
#
# Seen with globox 2.9.0 and pylabel 0.1.55 on a photo of 200x100 pixels that EXIF turns to 100x200, as phones take it.
# People and Ultralytics see it upright, and YOLO's boxes are shares of that. Both converters read the size of the file
# (`get_image_size` in globox/image_utils.py) and multiply. The box of a digit at 20, 100 to 40, 180 goes to 40, 50 to
# 80, 90. That is another place on the upright sheet, and on the one in the file, too. Nothing is said.
# supervision 0.31.2 and Datumaro 1.12.0 give the right box.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 pillow==13.0.0 pandas==3.1.1 pyyaml==6.0.4 opencv-python-headless==5.0.0.93 \
    globox==2.9.0 tqdm requests matplotlib jupyter-bbox-widget scikit-learn scipy defusedxml 'pydeprecate<0.14' av
# Without what they say they need, which is OpenCV with a window system.
"$folder/venv/bin/pip" install -q --no-deps pylabel==0.1.55 supervision==0.31.2 bbox-visualizer
python3 -m venv "$folder/other"
"$folder/other/bin/pip" install -q datumaro==1.12.0 numpy==2.1.3 pillow==13.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import contextlib
import io
from importlib.metadata import version
from pathlib import Path

import numpy as np
from globox import AnnotationSet
from PIL import Image, ImageOps
from pylabel import importer
from supervision import DetectionDataset

for name in ("globox", "pylabel", "supervision"):
    print(name, version(name))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


WIDTH, HEIGHT = 100, 200
LEFT, TOP, RIGHT, BOTTOM = BOX = 20, 100, 40, 180
WRONG = (40, 50, 80, 90)
for name in ("images", "labels"):
    Path("sheets", name, "train").mkdir(parents=True)
images, labels = Path("sheets/images/train"), Path("sheets/labels/train")
upright = Image.new("L", (WIDTH, HEIGHT), 200)
upright.paste(20, BOX)
exif = Image.Exif()
exif[0x0112] = 6  # the file lies on its left side
upright.transpose(Image.Transpose.ROTATE_90).save(images / "sheet.jpg", exif=exif, quality=95)
middle = (LEFT + RIGHT) / 2 / WIDTH, (TOP + BOTTOM) / 2 / HEIGHT
size = (RIGHT - LEFT) / WIDTH, (BOTTOM - TOP) / HEIGHT
(labels / "sheet.txt").write_text(" ".join(map(str, (7, *middle, *size))) + "\n")
names = [str(digit) for digit in range(10)]
Path("sheets/data.yaml").write_text(f"names: {names}\nnc: 10\ntrain: images/train\n")


def is_dark(image, box):
    """Return whether a box has the ink of the digit."""
    return np.asarray(image.convert("L").crop(box)).mean() < 50


stored = Image.open(images / "sheet.jpg")
turned = ImageOps.exif_transpose(stored)
expect("upright, the ink is in the box:", is_dark(turned, BOX))
(sheet,) = AnnotationSet.from_yolo_v5(labels, image_folder=images)
found = {"globox": sheet.boxes[0].ltrb}
with contextlib.redirect_stdout(io.StringIO()):
    sheets = importer.ImportYoloV5("sheets/labels/train", img_ext="jpg", cat_names=names, path_to_images="../../images/train")
found["pylabel"] = tuple(float(sheets.df[f"ann_bbox_{side}"].iloc[0]) for side in ("xmin", "ymin", "xmax", "ymax"))
((_, _, detections),) = DetectionDataset.from_yolo(str(images), str(labels), "sheets/data.yaml")
found["supervision"] = tuple(map(float, detections.xyxy[0]))
for name, box in found.items():
    print(f"  {name}: {box}")
    is_right = name == "supervision"
    expect("the box is right:" if is_right else "the box is wrong:", np.allclose(box, BOX if is_right else WRONG))
    if not is_right:
        expect("it has no ink, however the sheet lies:", not is_dark(turned, box) and not is_dark(stored, box))
PYTHON
"$folder/other/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

from datumaro.components.dataset import Dataset

print("datumaro", version("datumaro"))
(sheet,) = Dataset.import_from("sheets")
box = [round(side, 3) for side in sheet.annotations[0].points]
print("  datumaro:", box, "as found" if box == [20, 100, 40, 180] else "CHANGED")
if box != [20, 100, 40, 180]:
    raise SystemExit(1)
PYTHON
