#!/bin/sh
# Grey of 2 and 4 bits in a PDF comes out of PDFium and pypdf as noise, or as an empty page, with some codes.
#
# Seen with pypdfium2 5.15.2 (PDFium 159.0.8149.0) and pypdf 7.1.1, on pages with one image of 1, 2, 4 and 8 bits:
# - PDFium undoes the predictor of TIFF (`/Predictor 2`) for 1 bit, and for whole bytes (`TIFF_PredictLine` in
#   core/fxcodec/flate/flatemodule.cpp). With 2 and 4 bits, there is noise.
# - pypdf's `page.images` is wrong with 1 bit, too, and right with 8.
# - pypdf takes pixels of 2 or 4 bits in /Separation for bits. Nothing is left: every pixel has one level.
# - PDFium draws these right, and pypdf reads them right in /DeviceGray. Neither says a word.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pypdfium2==5.15.2 pypdf==7.1.1 numpy==2.4.6 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import io
import zlib

import numpy as np
import pypdf
import pypdfium2

print("pypdfium2", pypdfium2.PYPDFIUM_INFO, "PDFium", pypdfium2.PDFIUM_INFO, "pypdf", pypdf.__version__)
WIDTH, HEIGHT = 40, 24
paper = np.ones((HEIGHT, WIDTH), np.uint8)
paper[3:20, 5:9] = 0  # a stroke down, and one to the right
paper[3:6, 5:30] = 0
BLACK = b"[/Separation /Black /DeviceGray <</FunctionType 2 /Domain [0 1] /C0 [1] /C1 [0] /N 1>>]"


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def stream(entries, content):
    return b"<<%s /Length %d>> stream\n%s\nendstream" % (entries, len(content), content)


def page(levels, bits, more):
    """Return a PDF of one page, which an image of these levels fills."""
    each = np.unpackbits(levels[..., None], axis=2)[..., 8 - bits :]
    pixels = zlib.compress(np.packbits(each.reshape(HEIGHT, -1), axis=1).tobytes())
    size = b"/Subtype /Image /Width %d /Height %d /Filter /FlateDecode /BitsPerComponent %d" % (WIDTH, HEIGHT, bits)
    parts = [
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources <</XObject <</Scan 5 0 R>>>>>>"
        % (WIDTH, HEIGHT),
        stream(b"", b"%d 0 0 %d 0 0 cm /Scan Do" % (WIDTH, HEIGHT)),
        stream(b"%s %s" % (size, more), pixels),
    ]
    file, places = b"%PDF-1.5\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(file))
        file += b"%d 0 obj %s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer <</Size 6 /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(file)
    return file + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def by_pdfium(file):
    return np.asarray(pypdfium2.PdfDocument(file)[0].render(scale=1, grayscale=True).to_pil().convert("L"))


def by_pypdf(file):
    return np.asarray(pypdf.PdfReader(io.BytesIO(file)).pages[0].images[0].image.convert("L"))


def share_right(grey):
    return float(np.mean((grey > 127) == paper))


for bits in (1, 2, 4, 8):
    levels = paper * ((1 << bits) - 1)
    differences = (np.diff(levels.astype(int), axis=1, prepend=0) % (1 << bits)).astype(np.uint8)
    parameters = b"/DecodeParms <</Predictor 2 /Columns %d /BitsPerComponent %d>>" % (WIDTH, bits)
    files = {
        "as they are": page(levels, bits, b"/ColorSpace /DeviceGray"),
        "as differences": page(differences, bits, b"/ColorSpace /DeviceGray " + parameters),
        "as an ink": page(((1 << bits) - 1) - levels, bits, b"/ColorSpace " + BLACK),
    }
    for name, file in files.items():
        drawn, taken = by_pdfium(file), by_pypdf(file)
        print(f"  {bits} bits {name}: right in PDFium {share_right(drawn):.0%}, in pypdf {share_right(taken):.0%}")
        if name == "as they are" or bits == 8:
            expect("both have the strokes:", share_right(drawn) == share_right(taken) == 1)
        elif name == "as differences":
            expect("PDFium draws noise:" if bits > 1 else "PDFium is right:", (share_right(drawn) < 0.7) == (bits > 1))
            expect("pypdf is wrong:", share_right(taken) < 0.7)
        else:
            expect("PDFium has the strokes:", share_right(drawn) == 1)
            if bits > 1:
                expect("in pypdf, all pixels have one level:", np.ptp(taken) == 0)
PYTHON
