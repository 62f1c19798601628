#!/bin/sh
# A TIFF of several pages comes out of tifffile, imageio and scikit-image as fewer pages, or as one coloured picture.
#
# Seen with tifffile 2026.3.3, imageio 2.38.1 and scikit-image 0.26.0 on faxes (G4) that Pillow wrote. `imread` gives the
# pages that are as large as the first one. Pages of fax machines differ in height, so of three pages with a shorter one
# in the middle come the first and the third. scikit-image makes one picture of three or four pages of equal size, in
# which the pages are red, green, blue and opacity. None says a word. OpenCV's `imreadmulti` gives every page.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 imageio==2.38.1 \
    scikit-image==0.26.0 opencv-python-headless==5.0.0.93
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import cv2
import imageio.v3 as imageio
import numpy as np
import skimage.io
import tifffile
from PIL import Image

for name in ("tifffile", "imageio", "scikit-image", "opencv-python-headless"):
    print(name, version(name))
WIDTH = 40


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def fax(*heights):
    """Write a fax of pages of these heights. Page n has a stroke at column 5 * n; return the pages, True for paper."""
    pages = []
    for number, height in enumerate(heights, 1):
        page = np.ones((height, WIDTH), bool)
        page[10:30, 5 * number : 5 * number + 3] = False
        pages.append(page)
    first, *others = map(Image.fromarray, pages)
    first.save("fax.tif", save_all=True, append_images=others, compression="group4")
    return pages


pages = fax(60, 50, 60)
expect("OpenCV gives three pages:", len(cv2.imreadmulti("fax.tif")[1]) == 3)
for name, imread in (("tifffile", tifffile.imread), ("imageio", imageio.imread), ("scikit-image", skimage.io.imread)):
    found = imread("fax.tif")
    print(f"  {name}: {found.shape}")
    expect(f"{name} gives the first and the third:", np.array_equal(found, [pages[0], pages[2]]))
pages = fax(60, 50)
expect("of two, tifffile gives the first:", np.array_equal(tifffile.imread("fax.tif"), pages[0]))
for count in (3, 4):
    pages = fax(*[60] * count)
    found = skimage.io.imread("fax.tif")
    print(f"  scikit-image, {count} pages of equal size: {found.shape}")
    expect("the pages are channels of one picture:", np.array_equal(found, np.dstack(pages)))
expect("tifffile gives them one after the other:", tifffile.imread("fax.tif").shape == (4, 60, WIDTH))
PYTHON
if grep . "$folder/messages"; then echo "CHANGED: it says something"; exit 1; fi
