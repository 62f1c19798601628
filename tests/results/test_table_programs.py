"""What pandas, pyarrow and LibreOffice make of a CSV: every cell as digitbox wrote it."""

import csv
import hashlib
import math
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from batch.clock import iso
from batch.records import Outcome, Reason, ScanRef, Status
from batch.results import schema
from published import open_outbox

NUMBERS = {"prediction", "confidence", "page", *schema.PROBABILITY_COLUMNS}
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
NAMES = ("7.png", "007.png", "1e5.png", "a;=1+1.png", "a\tb.png", '"q".png', "a,b.png", "=1.png", "ä b\n.png")
DIGITS = ("12345678", "61000e02", "00000012", "1e400000", "0x123456", "b61ac8f0")  # a part of a batch's name
SOFFICE = shutil.which("soffice")


def publish(folder: Path, digits: str, *, format_name: str = "csv", with_probabilities: bool = True) -> Path:
    """Publish a row for each of the names, and for two scans without a digit; return the file."""
    refs = [ScanRef(f"/in;=1/{name}", name, source="/in;=1") for name in NAMES]
    sha256, probabilities = hashlib.sha256(b"scan").hexdigest(), (0.91, *[0.01] * 9)
    rows = [
        Outcome(ref, Status.OK, None, sha256, place % 10, 0.91, probabilities)
        for place, ref in enumerate(refs)
    ]
    rows += [
        Outcome(refs[0], Status.REFUSED, Reason.BLANK, sha256),
        Outcome(refs[1], Status.FAILED, Reason.VANISHED),
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("batch.outbox.publisher.secrets.token_hex", lambda _: digits)
        with open_outbox(
            folder, format_name=format_name, with_probabilities=with_probabilities, now=lambda: NOON
        ) as outbox:
            outbox.add(rows)
    return Path(outbox.published[0])


def written(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check(path: Path, table: Iterable[Mapping[Any, Any]]) -> None:
    """Check that a table program has the same value in every cell, as a number only where it is one."""
    for row, read in zip(written(path), table, strict=True):
        assert list(row) == list(read)
        for name, cell in row.items():
            value = read[name]
            if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
                assert cell == "", name
            elif isinstance(value, str):
                assert value == cell, name
            elif isinstance(value, datetime):
                assert (name, iso(value)) == ("processed_at", cell)
            else:
                assert name in NUMBERS and math.isclose(value, float(cell)), name


@pytest.mark.parametrize("digits", DIGITS)
def test_pandas_reads_every_cell(tmp_path: Path, digits: str) -> None:
    path = publish(tmp_path, digits)
    check(path, pd.read_csv(path).to_dict("records"))


@pytest.mark.parametrize("digits", DIGITS)
def test_pyarrow_reads_every_cell(tmp_path: Path, digits: str) -> None:
    arrow = pytest.importorskip("pyarrow.csv", reason="needs the extra parquet")
    path = publish(tmp_path, digits)
    check(path, arrow.read_csv(path).to_pylist())


@pytest.mark.skipif(SOFFICE is None, reason="needs LibreOffice")
@pytest.mark.parametrize("digits", DIGITS)
def test_libreoffice_reads_every_cell(tmp_path: Path, digits: str) -> None:
    path = publish(tmp_path / "outbox", digits)
    options = "44,34,76,1,,0,false,false"  # commas, quotes, UTF-8; no cell is rounded
    subprocess.run(
        [
            str(SOFFICE),
            "--headless",
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            f"--infilter=CSV:{options}",
            "--convert-to",
            f"csv:Text - txt - csv (StarCalc):{options}",
            "--outdir",
            str(tmp_path),
            str(path),
        ],
        check=True,
    )
    # LibreOffice shows a time in its own way.
    numbers = NUMBERS - {"page"}
    for row, read in zip(written(path), written(tmp_path / path.name), strict=True):
        assert list(row) == list(read)
        for name in row.keys() - {"processed_at"}:
            is_number = name in numbers and row[name] != ""
            assert float(read[name]) == float(row[name]) if is_number else read[name] == row[name], name


@pytest.mark.parametrize("with_probabilities", [False, True])
def test_parquet_has_the_cells_of_the_csv(tmp_path: Path, with_probabilities: bool) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    options: dict[str, Any] = {"with_probabilities": with_probabilities}
    path = publish(tmp_path / "csv", DIGITS[0], **options)
    typed = pq.read_table(publish(tmp_path / "parquet", DIGITS[0], format_name="parquet", **options))
    assert typed.column_names[-2:] == ["page", "source"]
    assert str(typed.schema.field("page").type) == "int32"
    check(path, typed.to_pylist())
