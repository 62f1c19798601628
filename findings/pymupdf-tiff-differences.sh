#!/bin/sh
# PyMuPDF reads wrong levels from TIFFs of 16 bits, or of 8 in tiles, that store differences of pixels.
#
# Seen with PyMuPDF 2.0 (MuPDF 1.28.5) on a sheet of 400 handwritten digits of `load_digits`. A TIFF with LZW
# or Deflate may have each pixel as the difference to the one on its left (`Predictor` 2). libvips 8.18.7
# writes it so by itself, others if asked. MuPDF adds the differences up (`tiff_unpredict_line` in
# source/fitz/load-tiff.c), and keeps one byte of the pixel on the left. So paper of 16 bits becomes darker
# from left to right, until it is white again. Ink is lighter or darker than its paper. With the upper byte
# first (`MM`), only noise is left. MuPDF also adds up whole lines of a sheet in tiles. So of 8 bits in
# tiles, only the first column of tiles is right. `Pixmap` has these levels, and so do the PDFs of
# `insert_image` and `convert_to_pdf`. Of the digits, nearest neighbours read 40% right instead of 97%, and
# of noise 8%. The size is right, and nothing is said, not even in `TOOLS.mupdf_warnings()`. Pillow 13.0.0
# and tifffile 2026.3.3 read all of these. Write such TIFFs without differences (`predictor="none"` in
# libvips), or give PyMuPDF a PNG.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pymupdf==2.0 pyvips==3.2.0 pyvips-binary==8.18.7 tifffile==2026.3.3 \
    imagecodecs==2026.3.6 pillow==13.0.0 numpy==2.4.6 scikit-learn==1.9.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import numpy as np
import pymupdf
import pyvips
import tifffile
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

print(*(f"{name} {version(name)}" for name in ("PyMuPDF", "pyvips-binary", "tifffile", "Pillow")))
SIDE, CELL, PAPER, INK = 20, 40, 230, 170  # cells on a side of the sheet, pixels of a cell, and levels
scans, digits = load_digits(return_X_y=True)
known = KNeighborsClassifier(3).fit(scans[:1000], digits[:1000])
shown, truth = scans[1000 : 1000 + SIDE**2].reshape(SIDE, SIDE, 8, 8), digits[1000 : 1000 + SIDE**2]
cells = np.pad(np.kron(shown, np.ones((1, 1, 4, 4))), ((0, 0), (0, 0), (4, 4), (4, 4)))
sheet = PAPER - cells.transpose(0, 2, 1, 3).reshape(SIDE * CELL, SIDE * CELL) / 16 * INK
sheet = sheet + np.random.default_rng(0).normal(0, 3, sheet.shape)  # the grain of paper
BYTES, WORDS = sheet.round().astype(np.uint8), (sheet * 257).round().astype(np.uint16)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def right(page):
    """Return the share of the sheet's digits that are read right."""
    fields = page.reshape(SIDE, CELL, SIDE, CELL).transpose(0, 2, 1, 3)[:, :, 4:-4, 4:-4]
    small = fields.reshape(SIDE**2, 8, 4, 8, 4).mean((2, 4)).reshape(-1, 64)
    return float(known.score((PAPER - small) / INK * 16, truth))


def levels(pixmap):
    grey = pymupdf.Pixmap(pymupdf.csGRAY, pixmap) if pixmap.n > 1 else pixmap
    return np.frombuffer(grey.samples, np.uint8).reshape(grey.h, grey.stride)[:, : grey.w].astype(float)


def drawn(document):
    """Return the levels of the only page of a document, a pixel for each of the sheet's."""
    scale = sheet.shape[1] / document[0].rect.width
    return levels(document[0].get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY))


def reads():
    """Return the levels of the file as Pillow, tifffile and PyMuPDF have it."""
    with_image = pymupdf.open()
    page = with_image.new_page(width=sheet.shape[1], height=sheet.shape[0])
    page.insert_image(page.rect, filename="sheet.tif")
    others = np.asarray(Image.open("sheet.tif")), tifffile.imread("sheet.tif")
    others = [pixels.astype(float) / (257 if pixels.max() > 255 else 1) for pixels in others]
    others = [pixels.mean(2) if pixels.ndim == 3 else pixels for pixels in others]
    made = pymupdf.open("pdf", pymupdf.open("sheet.tif").convert_to_pdf())
    return *others, levels(pymupdf.Pixmap("sheet.tif")), drawn(with_image), drawn(made)


def check(name, wrong):
    """Print what is read of the file, and end if the share of wrong pixels is not within those of `wrong`."""
    found = reads()
    shares = [np.mean(np.abs(page - sheet) > 8) for page in found]
    print(f"  {name}, wrong pixels:", *(f"{share:.0%}" for share in shares), end="; ")
    print("digits read right:", *(f"{right(page):.0%}" for page in found))
    expect("  Pillow and tifffile:", all(np.abs(page - sheet).max() <= 1 for page in found[:2]))
    expect("  PyMuPDF has the size:", all(page.shape == sheet.shape for page in found))
    is_as_found = all(wrong[0] <= share <= wrong[1] for share in shares[2:])
    expect("  and these pixels, by itself and in both PDFs:", is_as_found)
    expect("  it has no warnings:", pymupdf.TOOLS.mupdf_warnings() == "")
    expect("  digits of Pillow:", right(found[0]) > 0.95)
    expect("  digits of PyMuPDF:", right(found[2]) > 0.95 if wrong == NONE else right(found[2]) < 0.5)


NONE, LATER_TILES, MOST, NOISE = (0, 0), (0.7, 0.9), (0.9, 0.97), (0.98, 1)
for array, wrong in ((BYTES, NONE), (WORDS, MOST)):
    image = pyvips.Image.new_from_array(array)
    for compression in ("lzw", "deflate"):
        bits = array.dtype.itemsize * 8
        image.tiffsave("sheet.tif", compression=compression)
        predictor = tifffile.TiffFile("sheet.tif").pages[0].predictor
        expect(f"{bits} bits, libvips writes differences:", predictor == 2)
        check(f"{bits} bits, {compression}", wrong)
        image.tiffsave("sheet.tif", compression=compression, predictor="none")
        check(f"{bits} bits, {compression} without differences", NONE)
image = pyvips.Image.new_from_array(BYTES)
image.tiffsave("sheet.tif", compression="deflate", tile=True)
check("8 bits in tiles", LATER_TILES)
expect("  the first column of tiles is right:", np.abs(reads()[2] - sheet)[:, :128].max() <= 1)
image.tiffsave("sheet.tif", compression="deflate", tile=True, predictor="none")
check("8 bits in tiles without differences", NONE)
for order, wrong in (("<", MOST), (">", NOISE)):
    tifffile.imwrite("sheet.tif", WORDS, compression="lzw", predictor=True, byteorder=order)
    check(f"16 bits of tifffile, {order}", wrong)
    tifffile.imwrite("sheet.tif", WORDS, compression="lzw", byteorder=order)
    check(f"16 bits of tifffile without differences, {order}", NONE)
colour = np.repeat(WORDS[..., np.newaxis], 3, axis=2)
tifffile.imwrite("sheet.tif", colour, compression="deflate", predictor=True, photometric="rgb")
found = levels(pymupdf.Pixmap("sheet.tif"))
expect("colours of 16 bits are wrong, too:", np.mean(np.abs(found - sheet) > 8) > 0.8)
Image.fromarray(WORDS).save("sheet.png")
expect("a PNG of 16 bits is right:", np.abs(levels(pymupdf.Pixmap("sheet.png")) - sheet).max() <= 1)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
