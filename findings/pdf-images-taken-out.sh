#!/bin/sh
# An image that pikepdf, pypdf or pdfminer.six takes out of a PDF can be a negative of the page, or shreds, or missing.
#
# Seen with pikepdf 10.18.0, pypdf 7.1.1 and pdfminer.six 20260107 on pages of one image, which PDFium (pypdfium2
# 5.15.2) draws right:
# - pdfminer.six makes a negative of 8 bits of grey with an ICC profile or a gamma (`ImageOps.invert` in `_save_bytes`,
#   pdfminer/image.py). It also makes one if `/Decode` is [1 0], or if a palette of one bit begins with white.
# - pikepdf makes a negative of a JPEG with `/Decode` [1 0], though `as_pil_image` says that it applies this.
# - All three make a negative of a fax (CCITT) whose palette begins with white.
# - pikepdf's `get_images` leaves out an image that is a stencil of the ink (`/ImageMask`).
# - pypdf takes 16 bits for 8, so only shreds of the image are left. pdfminer.six raises an error.
# Else, none of them says a word. Draw the page with PDFium instead.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pikepdf==10.18.0 pypdf==7.1.1 pdfminer.six==20260107 pypdfium2==5.15.2 \
    pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import io
import struct
import tempfile
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pikepdf
import pypdf
import pypdfium2
from pdfminer.high_level import extract_text_to_fp
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("pikepdf", "pypdf", "pdfminer.six", "pypdfium2")))
WIDTH, HEIGHT = 48, 64
grey = np.full((HEIGHT, WIDTH), 240, np.uint8)
grey[8:14, 8:40] = 15  # a 7: a stroke to the right, and one down
grey[8:56, 32:40] = 15
ink = grey < 128


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def profile():
    """Return an ICC profile of grey with a gamma of 2.2."""
    numbers = (int(number * 65536) for number in (0.9642, 1, 0.8249))
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", *numbers),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH2x", 1, int(2.2 * 256)),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
    }
    table, content, place = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        tag += bytes(-len(tag) % 4)
        table += name + struct.pack(">2I", place + len(content), len(tag))
        content += tag
    white = struct.pack(">3i", 63190, 65536, 54061)
    header = struct.pack(">I4sI", place + len(content), bytes(4), 0x02200000) + b"scnrGRAYXYZ " + bytes(12) + b"acsp"
    return (header + bytes(28) + white).ljust(128, b"\0") + table + content


def stream(entries, content):
    return b"<<%s /Length %d>> stream\n%s\nendstream" % (entries, len(content), content)


def page(entries, pixels):
    """Return a PDF of one page, which an image fills."""
    size = b"/Type /XObject /Subtype /Image /Width %d /Height %d" % (WIDTH, HEIGHT)
    parts = [
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources <</XObject <</Scan 5 0 R>>>>>>"
        % (WIDTH, HEIGHT),
        stream(b"", b"%d 0 0 %d 0 0 cm 0 g /Scan Do" % (WIDTH, HEIGHT)),
        stream(size + b" " + entries, pixels),
        stream(b"/N 1 /Alternate /DeviceGray", profile()),
    ]
    file, places = b"%PDF-1.5\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(file))
        file += b"%d 0 obj %s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer <</Size 7 /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(file)
    return file + b"xref\n0 7\n0000000000 65535 f \n" + table + trailer


def packed(levels):
    return zlib.compress(np.packbits(levels, axis=1).tobytes())


def fax():
    """Return the bytes of a G4 fax, in which ink is black."""
    file = io.BytesIO()
    Image.fromarray(~ink).save(file, "TIFF", compression="group4", tiffinfo={262: 0})
    tags = Image.open(file).tag_v2
    return file.getvalue()[tags[273][0] :][: tags[279][0]]


def jpeg(levels):
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=95)
    return file.getvalue()


FLATE, BITS = b"/Filter /FlateDecode ", b"/BitsPerComponent %d "
WHITE_FIRST = b"/ColorSpace [/Indexed /DeviceGray 1 <FF00>]"
CCITT = b"/Filter /CCITTFaxDecode /DecodeParms <</K -1 /BlackIs1 %%s /Columns %d /Rows %d>> " % (WIDTH, HEIGHT)
MEASURED = b"/ColorSpace [/CalGray <</WhitePoint [0.95 1 1.09] /Gamma 2.2>>]"
whole = zlib.compress(grey.tobytes())
GREY = b"/ColorSpace /DeviceGray"
files = {
    "grey of 8 bits": page(FLATE + BITS % 8 + GREY, whole),
    "with a profile": page(FLATE + BITS % 8 + b"/ColorSpace [/ICCBased 6 0 R]", whole),
    "with a gamma": page(FLATE + BITS % 8 + MEASURED, whole),
    "8 bits, Decode": page(FLATE + BITS % 8 + GREY + b" /Decode [1 0]", zlib.compress((255 - grey).tobytes())),
    "JPEG": page(b"/Filter /DCTDecode " + BITS % 8 + GREY, jpeg(grey)),
    "JPEG, Decode": page(b"/Filter /DCTDecode " + BITS % 8 + GREY + b" /Decode [1 0]", jpeg(255 - grey)),
    "1 bit": page(FLATE + BITS % 1 + GREY, packed(~ink)),
    "1 bit, palette": page(FLATE + BITS % 1 + WHITE_FIRST, packed(ink)),
    "fax": page(CCITT % b"false" + BITS % 1 + GREY, fax()),
    "fax, palette": page(CCITT % b"true" + BITS % 1 + WHITE_FIRST, fax()),
    "stencil": page(FLATE + BITS % 1 + b"/ImageMask true", packed(~ink)),
    "grey of 16 bits": page(FLATE + BITS % 16 + GREY, zlib.compress((grey.astype(">u2") * 257).tobytes())),
}


def by_pdfium(file):
    return pypdfium2.PdfDocument(file)[0].render(scale=1).to_pil()


def by_pikepdf(file):
    with pikepdf.open(io.BytesIO(file)) as document:
        images = document.pages[0].get_images()
        return pikepdf.PdfImage(images["/Scan"]).as_pil_image() if images else None


def by_pypdf(file):
    images = list(pypdf.PdfReader(io.BytesIO(file)).pages[0].images)
    return images[0].image if images else None


def by_pdfminer(file):
    folder = tempfile.mkdtemp(dir=".")
    try:
        extract_text_to_fp(io.BytesIO(file), io.StringIO(), output_dir=folder)
    except UnboundLocalError:  # of 16 bits
        return "an error"
    images = list(Path(folder).iterdir())
    return Image.open(images[0]) if images else None


def seen(image):
    """Return what an image shows of the ink of the page."""
    if image is None or isinstance(image, str):
        return image or "nothing"
    levels = np.asarray(image.convert("RGB") if image.mode == "P" else image).astype(float)
    levels = levels[..., 0] if levels.ndim == 3 else levels
    is_dark = levels < (levels.min() + levels.max()) / 2
    share = np.mean(is_dark == ink)
    return "right" if share > 0.98 else "negative" if share < 0.02 else "shreds"


BY = {"PDFium": by_pdfium, "pikepdf": by_pikepdf, "pypdf": by_pypdf, "pdfminer.six": by_pdfminer}
FOUND = {
    "grey of 8 bits": "right right right right",
    "with a profile": "right right right negative",
    "with a gamma": "right right right negative",
    "8 bits, Decode": "right right right negative",
    "JPEG": "right right right right",
    "JPEG, Decode": "right negative right negative",
    "1 bit": "right right right right",
    "1 bit, palette": "right right right negative",
    "fax": "right right right right",
    "fax, palette": "right negative negative negative",
    "stencil": "right nothing right right",
    "grey of 16 bits": "right right shreds an error",
}
for name, file in files.items():
    results = [seen(read(file)) for read in BY.values()]
    print(f"  {name}:", ", ".join(f"{by} {result}" for by, result in zip(BY, results, strict=True)))
    expect(f"{name}:", " ".join(results) == FOUND[name])
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
