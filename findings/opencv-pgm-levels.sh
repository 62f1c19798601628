#!/bin/sh
# OpenCV reads a PGM too dark, or almost black, if white is another level than 255, but not if it is text.
#
# Seen with opencv-python-headless 5.0.0.93. The third number of a PGM says which level is white. Pillow
# 13.0.0 and imageio 2.38.1 stretch the levels, so that this is 255 or 65535. OpenCV leaves them as they are.
# With white at 15, as of 4 bits, `IMREAD_GRAYSCALE` gives paper of 15. With white at 1023, as of 10 bits, it
# gives the upper byte, so that paper is 3, and four levels are left. Nothing is said. The same image of 4
# bits as text (P2 for P5) has paper of 255. `IMREAD_ANYDEPTH` keeps all levels of 10 bits, and does not say
# that 1023 is white.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opencv-python-headless==5.0.0.93 pillow==13.0.0 imageio==2.38.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import io
from importlib.metadata import version

import cv2
import imageio.v3 as imageio
import numpy as np
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("opencv-python-headless", "pillow", "imageio")))
WIDTH, HEIGHT = 48, 60


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def files(white):
    """Return a scan with strokes of many levels as a PGM of bytes and as one of text, and its levels."""
    levels = np.full((HEIGHT, WIDTH), white, ">u2" if white > 255 else "u1")
    levels[8:14, 8:40] = 0  # a 7: a stroke to the right, and one down, which is paler further down
    levels[8:56, 32:40] = np.linspace(0, white * 2 // 3, 48).astype(int)[:, None]
    header = f"\n{WIDTH} {HEIGHT}\n{white}\n".encode()
    text = "\n".join(" ".join(map(str, row)) for row in levels.tolist()) + "\n"
    return b"P5" + header + levels.tobytes(), b"P2" + header + text.encode(), levels


def by_opencv(file, flag=cv2.IMREAD_GRAYSCALE):
    return cv2.imdecode(np.frombuffer(file, np.uint8), flag)


def paper(name, image):
    print(f"  {name}: paper is {image[0, 0]} ({image.dtype}), {len(np.unique(image))} levels")
    return int(image[0, 0])


for white in (255, 15, 100, 1023, 65535):
    print(f"White is {white}.")
    of_bytes, of_text, levels = files(white)
    full = 255 if white <= 255 else 65535
    by_pillow = np.asarray(Image.open(io.BytesIO(of_bytes)))
    expect("Pillow stretches the levels:", paper("Pillow", by_pillow) == full)
    expect("imageio does, too:", paper("imageio", imageio.imread(of_bytes, extension=".pgm")) == full)
    grey = by_opencv(of_bytes)
    found = paper("OpenCV, bytes", grey)
    upper = levels >> 8 if white > 255 else levels
    expect("OpenCV gives the levels, or their upper bytes:", np.array_equal(grey, upper))
    is_full = full == white
    expect("the paper is white:" if is_full else "the paper is dark:", (found == 255) == is_full)
    if white == 1023:
        left, before = (len(np.unique(image)) for image in (grey, levels))
        expect("four levels are left of many:", left == 4 and before > 40)
        deep = by_opencv(of_bytes, cv2.IMREAD_ANYDEPTH)
        paper("OpenCV, any depth", deep)
        expect("with any depth, no level is lost:", np.array_equal(deep, levels))
    if white <= 255:
        expect("of the text, OpenCV makes white paper:", paper("OpenCV, text", by_opencv(of_text)) == 255)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
