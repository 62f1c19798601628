#!/bin/sh
# What PDFium says of the bits of a pixel is not what the image in the PDF has.
#
# Seen with pypdfium2 5.15.2 (PDFium 159.0.8149.0): grey images of 2 and 4 bits are said to have 8 bits a pixel, and one
# of 16 bits 24. The number is that of the bitmap that PDFium would draw. Whoever takes width x height x bits for the
# size of the data calls sound scans of 2 and 4 bits cut off, and one of 16 bits, too. 1 and 8 bits are right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pypdfium2==5.15.2
"$folder/venv/bin/python" - <<'PYTHON'
import zlib
import pypdfium2

print("pypdfium2", pypdfium2.PYPDFIUM_INFO, "PDFium", pypdfium2.PDFIUM_INFO)
SIDE = 16
SAID = {1: 1, 2: 8, 4: 8, 8: 8, 16: 24}


def stream(entries, content):
    return b"<<%s /Length %d>> stream\n%s\nendstream" % (entries, len(content), content)


def page_with_image(bits):
    """Return a PDF of one page, which a grey image of so many bits fills."""
    pixels = zlib.compress(bytes(SIDE * SIDE * bits // 8))
    grey = b"/Subtype /Image /ColorSpace /DeviceGray /Filter /FlateDecode"
    parts = [
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources <</XObject <</Scan 5 0 R>>>>>>"
        % (SIDE, SIDE),
        stream(b"", b"%d 0 0 %d 0 0 cm /Scan Do" % (SIDE, SIDE)),
        stream(b"%s /Width %d /Height %d /BitsPerComponent %d" % (grey, SIDE, SIDE, bits), pixels),
    ]
    file, places = b"%PDF-1.5\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(file))
        file += b"%d 0 obj %s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer <</Size 6 /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(file)
    return file + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


for bits, said in SAID.items():
    (image,) = pypdfium2.PdfDocument(page_with_image(bits))[0].get_objects()
    found, size = image.get_metadata().bits_per_pixel, len(image.get_data(decode_simple=True))
    assert size == SIDE * SIDE * bits // 8  # the data are whole
    print(f"{bits} bits: PDFium says {found}", "as found" if found == said else "CHANGED")
    if found != said:
        raise SystemExit(1)
PYTHON
