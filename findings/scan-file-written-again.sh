#!/bin/sh
# A PDF or workbook of a scan file that is written again for each sheet has the first or the last sheet on all pages.
#
# Seen with reportlab 5.1.0, fpdf2 2.8.9, XlsxWriter 3.3.1 and openpyxl 3.1.5. A program takes six sheets from a
# scanner. Each is written to `scan.png`, over the one before, and put on a page. `image` of fpdf2 keeps what it has
# read of a path, so all six pages show the first sheet. `Image` of reportlab's platypus and those of both workbooks
# read the file when all is saved, so all six show the last, in six places. The number of pages is right, and nothing
# is said. `drawImage` of reportlab shows the first; its docstring says that a file name is read once. With an image
# of Pillow, `ImageReader` or `BytesIO` instead of a path, each page has its own sheet.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q reportlab==5.1.0 fpdf2==2.8.9 xlsxwriter==3.3.1 openpyxl==3.1.5 pypdfium2==5.15.2 \
    numpy==2.4.6 pillow==13.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import io
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import openpyxl
import pypdfium2
import xlsxwriter
from fpdf import FPDF
from openpyxl.drawing.image import Image as CellImage
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image as Flowable
from reportlab.platypus import SimpleDocTemplate

print(*(f"{name} {version(name)}" for name in ("reportlab", "fpdf2", "xlsxwriter", "openpyxl")), sep=", ")
scan = Path(sys.argv[1]) / "scan.png"
SHEETS = range(6)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def sheets():
    """Write one sheet after the other to the same file: a number of strokes, beside each other."""
    for sheet in SHEETS:
        levels = np.full((100, 100), 250, np.uint8)
        levels[20:80, 5 : 5 + 15 * (sheet + 1) : 15] = levels[20:80, 6 : 6 + 15 * (sheet + 1) : 15] = 10
        Image.fromarray(levels).save(scan)
        yield sheet


def in_memory():
    return io.BytesIO(scan.read_bytes())


def sheet_on(image):
    """Return which sheet an image shows, by its strokes."""
    levels = np.asarray(image.convert("L"))
    dark = levels[levels.shape[0] // 2] < 130
    return int(np.sum(dark[1:] & ~dark[:-1])) - 1


def on_pages(data):
    return [sheet_on(page.render(scale=4).to_pil()) for page in pypdfium2.PdfDocument(bytes(data))]


def in_workbook(data):
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        names = sorted(name for name in parts.namelist() if name.startswith("xl/media/"))
        return [sheet_on(Image.open(io.BytesIO(parts.read(name)))) for name in names]


def reportlab_canvas(source):
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(100, 100))
    for _ in sheets():
        canvas.drawImage(source(), 0, 0, 100, 100)
        canvas.showPage()
    canvas.save()
    return on_pages(file.getvalue())


def reportlab_platypus(source):
    file = io.BytesIO()
    document = SimpleDocTemplate(file, pagesize=(112, 112), leftMargin=0, rightMargin=0, topMargin=0, bottomMargin=0)
    document.build([Flowable(source(), 100, 100) for _ in sheets()])
    return on_pages(file.getvalue())


def fpdf2(source):
    document = FPDF(unit="pt", format=(100, 100))
    for _ in sheets():
        document.add_page()
        document.image(source(), 0, 0, 100, 100)
    return on_pages(document.output())


def xlsxwriter_workbook(source):
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    page = book.add_worksheet()
    for sheet in sheets():
        image = source()
        options = {} if image == str(scan) else {"image_data": image}
        page.insert_image(10 * sheet, 0, str(scan), options)
    book.close()
    return in_workbook(file.getvalue())


def openpyxl_workbook(source):
    file = io.BytesIO()
    book = openpyxl.Workbook()
    for sheet in sheets():
        book.active.add_image(CellImage(source()), f"A{1 + 10 * sheet}")
    book.save(file)
    return in_workbook(file.getvalue())


def path():
    return str(scan)


each, first, last = list(SHEETS), [0] * len(SHEETS), [len(SHEETS) - 1] * len(SHEETS)
for make, found, name, other in (
    (fpdf2, first, "the first sheet", in_memory),
    (reportlab_canvas, first, "the first sheet", lambda: ImageReader(in_memory())),
    (reportlab_platypus, last, "the last sheet", in_memory),
    (xlsxwriter_workbook, last, "the last sheet", in_memory),
    (openpyxl_workbook, last, "the last sheet", in_memory),
):
    shown, without_path = make(path), make(other)
    print(f"  {make.__name__}: {shown} of a path, {without_path} without")
    expect(f"of a path, {name} is on all pages:", shown == found)
    expect("without, each page has its own:", without_path == each)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
