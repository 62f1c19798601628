#!/bin/sh
# Pillow turns a scan of 16 bits grey into blank paper when it straightens it, or makes 8 bits of it.
#
# Seen with pillow 13.0.0 on a PNG of paper of 52000 and ink of 9000, as scanners write it (mode `I;16`). `rotate` and
# `transform` with BILINEAR or BICUBIC, as every straightening by a few degrees needs them, give no pixel darker than
# 51000. With NEAREST they are right, and so are `resize` and `rotate(90)`. The same image as floats (mode `F`) keeps
# its ink. `convert("L")` and `convert("RGB")` cut off at 255, so all is white. Nothing is said.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
PAPER, INK = 52000, 9000
SHEAR = (1, 0.1, 0, 0, 1, 0)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def has_ink(image, paper=PAPER):
    """Return whether a pixel is at most half as bright as the paper."""
    levels = np.asarray(image, float)
    print(f"  {levels.min():g} to {levels.max():g}")
    return levels.min() < paper / 2


pixels = np.full((60, 60), PAPER, np.uint16)
pixels[10:50, 25:33] = INK
Image.fromarray(pixels).save("scan.png")
scan = Image.open("scan.png")
expect("Pillow reads all bits:", scan.mode == "I;16" and np.array_equal(scan, pixels))
in_floats = Image.fromarray(pixels.astype(np.float32))
for name in ("BILINEAR", "BICUBIC"):
    how = {"resample": Image.Resampling[name], "fillcolor": PAPER}
    expect(f"turned by 5 degrees, {name}, it has no ink:", not has_ink(scan.rotate(5, **how)))
    shorn = scan.transform(scan.size, Image.Transform.AFFINE, SHEAR, **how)
    expect(f"shorn, {name}, it has no ink:", not has_ink(shorn))
    expect("as floats it has:", has_ink(in_floats.rotate(5, **how)))
expect("turned with NEAREST it has:", has_ink(scan.rotate(5, fillcolor=PAPER)))
expect("turned by 90 degrees it has:", has_ink(scan.rotate(90)))
expect("resized it has:", has_ink(scan.resize((28, 28), Image.Resampling.BILINEAR)))
for mode in ("L", "RGB"):
    expect(f"converted to {mode} it is white:", np.asarray(scan.convert(mode)).min() == 255)
PYTHON
