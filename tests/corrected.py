"""An outbox with a row of each status, and files of corrections as the page saves them."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from batch.outbox.corrections import load
from batch.outbox.export import PublishedRows, RowFilter, export_rows
from batch.outbox.ledger import open_ledger
from batch.records import Outcome
from batch.report.apply import ApplyResult, apply
from batch.results.writers import CsvWriter
from batch.storage import durable
from batch.text import text_cell
from batch.training.data import labelled_scans
from published import four, publish

HEADER = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at", "page", "source"]
REVIEWED_AT = "2026-01-02T13:00:00Z"


def save(
    path: Path,
    rows: list[tuple[Outcome, str]],
    published: Path,
    delimiter: str = ",",
    source: str | None = None,
) -> Path:
    """Write corrections as the page saves them."""
    batch = published.stem.split("-")[-1]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", delimiter=delimiter)
        writer.writerow(HEADER)
        for answered, label in rows:
            ref = answered.ref
            origin = text_cell(ref.source) if source is None else source
            writer.writerow(
                [text_cell(ref.name), answered.sha256, batch, answered.label, label, REVIEWED_AT, "", origin]
            )
    return path


def exported(outbox: Path, *, published: bool = False) -> dict[str, dict[str, str]]:
    """Return the last row of each file, by name."""
    text = io.StringIO(newline="")
    with open_ledger(outbox, read_only=True) as ledger:
        rows = PublishedRows(ledger, outbox, RowFilter())
        export_rows(rows, None if published else load(outbox), lambda names: CsvWriter(text, names))
    return {row["file"]: row for row in csv.DictReader(io.StringIO(text.getvalue()))}


class Scene:
    """An outbox with one row of each status."""

    def __init__(self, folder: Path, **publishing: Any) -> None:
        self.outbox, self.file = folder / "out", folder / "corrections.csv"
        self.outcomes = four(folder / "scans")
        self.published = publish(self.outbox, self.outcomes, **publishing)
        self.sure, self.unsure, self.blank, self.broken = self.outcomes

    def apply(self, *rows: tuple[Outcome, str], by: str = "Anna") -> ApplyResult:
        save(self.file, list(rows), self.published)
        return apply(self.file, self.outbox, by)

    def results(self) -> dict[str, tuple[str, ...]]:
        """Return prediction, confidence, status, reason and what the model said, by file."""
        columns = ("prediction", "confidence", "status", "reason", "corrected")
        return {name: tuple(row[column] for column in columns) for name, row in exported(self.outbox).items()}

    def audit(self) -> list[tuple[str, ...]]:
        path = self.outbox / ".digitbox" / "corrections.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as table:
            return table.execute(
                "SELECT file, said, corrected, corrected_by, reviewed_at FROM corrections"
            ).fetchall()

    def labelled(self) -> dict[str, int | None]:
        """Return the labels by SHA-256 of the scan."""
        scans = labelled_scans.load(str(self.outbox / "corrected"), self.outbox, print)
        return {durable.digest(Path(labelled.ref.path)): labelled.label for labelled in scans}

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.outbox)): path.read_bytes()
            for path in self.outbox.rglob("*")
            if path.is_file() and ".digitbox" not in path.parts
        }
