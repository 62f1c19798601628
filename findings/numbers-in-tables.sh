#!/bin/sh
# Table programs change numbers that were read as text, such as 00420, each in a way of its own.
#
# Seen with pandas 3.1.1, openpyxl 3.1.5, csvkit 2.2.0 (agate 1.14.2), duckdb 2.0.1 and polars 2.1.0:
# - `pandas.read_excel` makes 420 of the text 00420, though the cell has the type of text; polars leaves it.
# - csvkit writes True and False for a column in which all digits are 1 or 0. csvsort, csvjson and csvstat do.
# - DuckDB keeps 00420 as text if such a number stands among about the first 20,000 rows. Further down it makes 420 of it.
# - polars raises an error for a column that has single numbers in the first 100 rows, and later a list as 0.9;0.8.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pandas==3.1.1 openpyxl==3.1.5 csvkit==2.2.0 agate==1.14.2 duckdb==2.0.1 \
    polars==2.1.0 fastexcel==0.21.0 numpy==2.1.3
cd "$folder"
PATH="$folder/venv/bin:$PATH" "$folder/venv/bin/python" - <<'PYTHON'
import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import polars as pl

for name in ("pandas", "openpyxl", "csvkit", "agate", "duckdb", "polars"):
    print(name, version(name))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def table(rows):
    Path("table.csv").write_text("".join(f"{first},{second}\n" for first, second in rows))


book = openpyxl.Workbook()
for row in (("file", "prediction"), ("a.png", "00420"), ("b.png", "31723")):
    book.active.append(row)
for cell in book.active["B"]:
    cell.number_format = "@"  # text, as it is in Excel
book.save("table.xlsx")
expect("the cell is text:", openpyxl.load_workbook("table.xlsx").active["B2"].data_type == "s")
expect("pandas makes 420 of it:", pd.read_excel("table.xlsx")["prediction"].tolist() == [420, 31723])
as_text = pd.read_excel("table.xlsx", dtype={"prediction": str})
expect("with dtype, pandas leaves it:", as_text["prediction"].tolist() == ["00420", "31723"])
expect("polars leaves it:", pl.read_excel("table.xlsx")["prediction"].to_list() == ["00420", "31723"])

table([("file", "prediction"), ("a.png", "1"), ("b.png", "0"), ("c.png", ""), ("d.png", "1")])
found = [row["prediction"] for row in json.loads(subprocess.check_output(["csvjson", "-d", ",", "table.csv"]))]
print("  csvjson:", found)
expect("csvkit makes truth of 1 and 0:", found == [True, False, None, True])
found = [row["prediction"] for row in json.loads(subprocess.check_output(["csvjson", "-I", "-d", ",", "table.csv"]))]
expect("with -I it leaves them:", found == ["1", "0", None, "1"])

for place, expected in ((100, "00420"), (25_000, 420)):
    numbers = [f"{10_000 + row}" for row in range(30_000)]
    numbers[place] = "00420"
    table([("file", "prediction"), *((f"{row}.png", number) for row, number in enumerate(numbers))])
    ((found,),) = duckdb.sql(f"select prediction from 'table.csv' where file = '{place}.png'").fetchall()
    print(f"  DuckDB, 00420 in row {place}: {found!r}")
    expect(f"DuckDB makes {expected!r} of it:", found == expected and type(found) is type(expected))

table([("file", "digit_confidences"), *((f"{row}.png", "0.9") for row in range(200)), ("z.png", '"0.9;0.8"')])
try:
    pl.read_csv("table.csv")
except pl.exceptions.ComputeError as error:
    print("  polars:", str(error).splitlines()[0])
else:
    expect("polars refuses the later list:", False)
as_text = pl.read_csv("table.csv", schema_overrides={"digit_confidences": pl.String})
expect("with the type given, polars reads it:", as_text["digit_confidences"][-1] == "0.9;0.8")
PYTHON
