#!/bin/sh
# PDFium says the size of an image in a PDF, but not that of its mask, which can be many times as fine.
#
# Seen with pypdfium2 5.15.2 (PDFium 159.0.8149.0): scanners and OCR programs that divide a page into paper and ink keep
# the ink as an image of few pixels with a mask (SMask or Mask) of the whole resolution. PDFium says 2x2 pixels for such
# an image, and `get_bitmap` gives these, even with `render=True`, which applies the mask. Whoever draws the page as
# fine as its images draws thin ink as a blur. Drawn as fine as the mask, the ink is there to the last pixel.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pypdfium2==5.15.2 numpy==2.4.6 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import zlib

import numpy as np
import pypdfium2

print("pypdfium2", pypdfium2.PYPDFIUM_INFO, "PDFium", pypdfium2.PDFIUM_INFO)
SIDE, FINE = 40, 400  # of the paper and of the mask, in pixels
ink = np.zeros((FINE, FINE), np.uint8)
ink[40:360, 195:200] = 1  # a stroke of five pixels, half a pixel of the paper


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def stream(entries, content=b""):
    return b"<<%s /Length %d>> stream\n%s\nendstream" % (entries, len(content), content)


def image(side, more, content):
    size = b"/Subtype /Image /Width %d /Height %d /Filter /FlateDecode " % (side, side)
    return stream(size + more, zlib.compress(content))


def page(kind):
    """Return a PDF of one page: white paper of few pixels, and ink in a fine mask over it."""
    grey = b"/ColorSpace /DeviceGray /BitsPerComponent 8"
    if kind == b"SMask":
        mask = image(FINE, grey, (ink * 255).tobytes())
    else:
        mask = image(FINE, b"/ImageMask true /BitsPerComponent 1", np.packbits(1 - ink, axis=1).tobytes())
    whole = b"q %d 0 0 %d 0 0 cm" % (SIDE, SIDE)
    names = b"/Resources <</XObject <</Paper 5 0 R /Ink 6 0 R>>>>"
    parts = [
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R %s>>" % (SIDE, SIDE, names),
        stream(b"", b"%s /Paper Do Q %s /Ink Do Q" % (whole, whole)),
        image(SIDE, grey, bytes([255]) * SIDE**2),
        image(2, grey + b" /%s 7 0 R" % kind, bytes(4)),
        mask,
    ]
    file, places = b"%PDF-1.5\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(file))
        file += b"%d 0 obj %s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer <</Size 8 /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(file)
    return pypdfium2.PdfDocument(file + b"xref\n0 8\n0000000000 65535 f \n" + table + trailer)[0]


for kind in (b"SMask", b"Mask"):
    scan = page(kind)
    sizes = [(found.get_metadata().width, found.get_metadata().height) for found in scan.get_objects()]
    bitmaps = [found.get_bitmap(render=True).to_numpy().shape[:2] for found in scan.get_objects()]
    print(f"{kind.decode()}: PDFium says {sizes}, bitmaps have {bitmaps}")
    expect("the sizes are those without the mask:", sizes == bitmaps == [(SIDE, SIDE), (2, 2)])
    coarse, fine = (scan.render(scale=scale, grayscale=True).to_numpy().squeeze() for scale in (1, FINE / SIDE))
    print(f"  the darkest ink is {coarse.min()} of 255 as fine as the paper, {fine.min()} as fine as the mask")
    expect("as fine as the paper, the ink is pale:", coarse.min() > 100)
    expect("as fine as the mask, it is whole:", np.array_equal(fine < 128, ink == 1))
PYTHON
