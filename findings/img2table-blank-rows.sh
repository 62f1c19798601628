#!/bin/sh
# img2table, which finds the cells of tables in scans, leaves out rows in which nobody has written, or all of the table.
#
# Seen with img2table 2.0.0 on a ruled table of six rows and five columns, with digits of `load_digits` in its cells.
# Of a table with all digits, `extract_tables` gives 30 cells, each around its digit. If the third row is blank, there
# are five rows, so the numbers of all later rows are one less. The rows beside the blank one reach half way into it,
# so no gap shows. If two rows or one column inside are blank, there is no table at all (`remove_unwanted_elements` in
# tables/bordered/tables/creation/creation.py, then `has_valid_shape` in tables/types.py). One row of boxes is no table
# either. Nothing is said, and no option of `extract_tables` changes it. If each row has a printed number, all rows are
# there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q img2table==2.0.0 opencv-contrib-python==5.1.0.95 numpy==2.4.6 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import cv2
import numpy as np
from img2table.document import Image
from sklearn.datasets import load_digits

print("img2table", version("img2table"))
CELL, MARGIN = 60, 60
random = np.random.default_rng(0)
digits = load_digits().images


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def sheet(rows, columns, blank_rows=(), blank_columns=(), is_numbered=False):
    """Return a ruled table with a handwritten digit in each cell, but for those that are blank."""
    page = np.full((rows * CELL + 2 * MARGIN, columns * CELL + 2 * MARGIN), 255, np.uint8)
    for row in range(rows):
        top = MARGIN + row * CELL
        for column in range(columns):
            left = MARGIN + column * CELL
            if is_numbered and column == 0:
                cv2.putText(page, str(row + 1), (left + 18, top + 42), cv2.FONT_HERSHEY_SIMPLEX, 1, 0, 2)
            elif row not in blank_rows and column not in blank_columns:
                digit = np.kron(random.choice(digits), np.ones((4, 4)))
                page[top + 14 : top + 46, left + 14 : left + 46] = 255 - (digit / 16 * 255).astype(np.uint8)
    right, bottom = MARGIN + columns * CELL, MARGIN + rows * CELL
    for row in range(rows + 1):
        page[MARGIN + row * CELL - 1 : MARGIN + row * CELL + 1, MARGIN:right] = 0
    for column in range(columns + 1):
        page[MARGIN:bottom, MARGIN + column * CELL - 1 : MARGIN + column * CELL + 1] = 0
    return page


def heights(page, **options):
    """Return the first and last line of pixels of each row of the table, counted from its top, or none."""
    tables = Image(cv2.imencode(".png", page)[1].tobytes()).extract_tables(**options)
    if not tables:
        return None
    (table,) = tables
    return [(row[0].bbox.y1 - MARGIN, row[0].bbox.y2 - MARGIN) for row in table.content.values()]


whole = [(CELL * row, CELL * (row + 1)) for row in range(6)]
found = heights(sheet(6, 5))
print(f"  all cells with a digit: rows {found}")
expect("each row is there:", found == whole)
found = heights(sheet(6, 5, blank_rows=(2,)))
print(f"  third row blank: rows {found}")
expect("the third row is left out:", found == [(0, 60), (60, 150), (150, 240), (240, 300), (300, 360)])
found = heights(sheet(6, 5, blank_rows=(4, 5)))
expect("two blank rows at the end are left out:", found == whole[:4])
for blank in ({"blank_rows": (2, 3)}, {"blank_rows": (1, 3)}, {"blank_columns": (2,)}):
    expect(f"with {blank}, there is no table:", heights(sheet(6, 5, **blank)) is None)
options = {"implicit_rows": True, "implicit_columns": True, "borderless_tables": True}
expect("nor with all options:", heights(sheet(6, 5, blank_rows=(2, 3)), **options) is None)
expect("a row of eight boxes is no table:", heights(sheet(1, 8)) is None)
expect("two rows of boxes are one:", heights(sheet(2, 8)) == whole[:2])
for blank in ((2,), (2, 3)):
    found = heights(sheet(6, 5, blank_rows=blank, is_numbered=True))
    expect("with printed numbers, each row is there:", found == whole)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
