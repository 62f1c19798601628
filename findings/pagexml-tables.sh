#!/bin/sh
# pagexml-tools, which reads PAGE XML of transcribed sheets, leaves out the numbers in tables that follow its schema.
#
# Seen with pagexml-tools 0.9.0 on a sheet with a line of text and a table of three numbers. In the schema of PAGE of
# 2019, a cell is a `TextRegion` with a `TableCellRole` in a `TableRegion`. `parse_pagexml_file` makes a table
# without rows of it, and `get_lines` has the line of text only. Text regions in a picture, such as the number in a
# stamp, are left out with the picture. Nothing is said. Of numbers in a `TableCell`, which the schema does not have
# but Transkribus writes, all are there (`parse_tableregion` in pagexml/parser.py). If the text of a line is only
# with its words, the line is there, but its `text` is None.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pagexml-tools==0.9.0 fuzzy-search==3.0.4 lxml==6.1.0 numpy==2.4.6 scipy==1.17.1 \
    shapely==2.2.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import sys
from importlib.metadata import version
from pathlib import Path

from lxml import etree
from pagexml.parser import parse_pagexml_file

print("pagexml-tools", version("pagexml-tools"))
sheet = Path(sys.argv[1]) / "sheet.xml"
SCHEMA = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
HEAD = (
    f'<?xml version="1.0" encoding="UTF-8"?><PcGts xmlns="{SCHEMA}"><Metadata><Creator>a person</Creator>'
    "<Created>2026-01-01T00:00:00</Created><LastChange>2026-01-01T00:00:00</LastChange></Metadata>"
    '<Page imageFilename="sheet.png" imageWidth="1000" imageHeight="500">'
)
NUMBERS = ("00420", "17", "905")


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def part(tag, name, left, top, right, bottom, inner, attributes=""):
    corners = f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
    return f'<{tag} id="{name}"{attributes}><Coords points="{corners}"/>{inner}</{tag}>'


def text_of(text):
    return f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv>"


def line(name, left, top, text, of_words=False):
    box = (left, top, left + 200, top + 60)
    word = part("Word", f"{name}w", *box, text_of(text))
    return part("TextLine", name, *box, word if of_words else word + text_of(text))


def read(regions):
    """Return the sheet with a line of text and these regions, and its texts."""
    title = part("TextRegion", "title", 10, 10, 900, 90, line("first", 10, 10, "2026"))
    sheet.write_text(f"{HEAD}{title}{regions}</Page></PcGts>")
    page = parse_pagexml_file(str(sheet))
    return page, [found.text for found in page.get_lines()]


def in_regions(tag):
    """Return a region of this kind with the numbers, each in a text region."""
    cells = ""
    for column, number in enumerate(NUMBERS):
        left = 10 + 220 * column
        role = f'<Roles><TableCellRole rowIndex="0" columnIndex="{column}"/></Roles>' if tag == "TableRegion" else ""
        box = (left, 110, left + 200, 190)
        # The schema has roles after the corners of a region, and before its lines.
        cells += part("TextRegion", f"cell{column}", *box, role + line(f"number{column}", left, 110, number))
    return part(tag, "numbers", 10, 110, 680, 190, cells)


def in_cells():
    """Return a table of the numbers as Transkribus writes it."""
    cells = ""
    for column, number in enumerate(NUMBERS):
        left = 10 + 220 * column
        place = f' row="0" col="{column}" rowSpan="1" colSpan="1"'
        box = (left, 110, left + 200, 190)
        cells += part("TableCell", f"cell{column}", *box, line(f"number{column}", left, 110, number), place)
    return part("TableRegion", "numbers", 10, 110, 680, 190, cells)


page, texts = read(in_cells())
print(f"  cells of Transkribus: {texts}, {page.stats['cells']} cells")
expect("all numbers are there:", texts == ["2026", *NUMBERS])
for tag in ("TableRegion", "GraphicRegion", "ImageRegion"):
    page, texts = read(in_regions(tag))
    written = "".join(etree.parse(str(sheet)).getroot().itertext())
    print(f"  text regions in a {tag}: {texts}, {page.stats.get('cells', 'no')} cells")
    expect("the file has all numbers:", all(number in written for number in NUMBERS))
    expect("only the line of text is there:", texts == ["2026"])
page, texts = read(part("TextRegion", "other", 10, 110, 900, 190, line("second", 10, 110, "00420", of_words=True)))
words = [word.text for found in page.get_lines() for word in found.words]
print(f"  a line with the text of its words: {texts}, words {words}")
expect("the line has no text, and its word has one:", texts == ["2026", None] and words == ["2026", "00420"])
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
