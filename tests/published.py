"""An outbox with a few results of real files, for tests of the report and of corrections."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from batch.locations import STATE
from batch.outbox.publisher import Outbox
from batch.outbox.run_stats import RunStats
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.storage import durable

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def scan(folder: Path, name: str, ink_px: int = 4, size: tuple[int, int] = (30, 40)) -> ScanRef:
    """Write a picture of a bar of ink; return its scan.

    Args:
        folder: The folder to write to.
        name: The name of the file.
        ink_px: The width of the bar in a picture of the usual size.
        size: Width and height of the picture, pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    picture = np.full((height, width), 250, np.uint8)
    picture[height // 5 : height * 4 // 5, width * 2 // 5 : width * 2 // 5 + width * ink_px // 30] = 20
    _, data = cv2.imencode(".png", picture)
    path = folder / name
    path.write_bytes(bytes(data))
    info = os.stat(path)
    return ScanRef(str(path), name, info.st_size, info.st_mtime_ns, info.st_ino, str(folder))


def outcome(
    ref: ScanRef,
    status: Status = Status.OK,
    label: int | None = 1,
    reason: Reason | None = None,
    sure: float = 0.9,
) -> Outcome:
    sha256 = hashlib.sha256(Path(ref.path).read_bytes()).hexdigest() if os.path.exists(ref.path) else ""
    confidence = None if label is None else sure
    return Outcome(ref, status, reason, sha256, label, confidence)


def open_outbox(folder: Path, *, model: str = "fake-1", **options: Any) -> Outbox:
    """Return an outbox for a `with` block, as another digitbox would have it."""
    stats = RunStats("run")
    stats.model = model
    settings = {"format_name": "csv", "rows_per_file": 1000, "with_probabilities": False}
    return Outbox(folder, stats=stats, **{**settings, **options})


def publish(
    folder: Path,
    outcomes: Sequence[Outcome],
    *,
    format_name: str = "csv",
    after: After = After.LEAVE,
    model: str = "fake-1",
    with_numbers: bool = False,
    now: datetime = NOON,
) -> Path:
    """Publish rows in an outbox; return the file."""
    options = {"with_numbers": with_numbers, "after": after, "now": lambda: now}
    with open_outbox(folder, model=model, format_name=format_name, **options) as box:
        box.add(outcomes)
    return Path(box.published[0])


def make_old(published: Path) -> Path:
    """Make published results those of an older version; return the file that they are in then.

    Such files have no columns `page` and `source`, and their batches have names of eight hex digits.
    """
    batch_id = published.stem.split("-")[-1]
    old_id = batch_id.removeprefix("b")
    old = published.with_name(published.name.replace(batch_id, old_id))
    if published.suffix == ".csv":
        lines = published.read_text(encoding="utf-8").splitlines()
        rows = [line.rsplit(",", 2)[0].replace(batch_id, old_id) for line in lines]
        old.write_text("\n".join(rows) + "\n", encoding="utf-8")
    else:
        import pyarrow as pa  # an extra
        import pyarrow.parquet as pq

        table = pq.read_table(published).drop_columns(["page", "source"])
        ids = pa.array([old_id] * len(table))
        pq.write_table(table.set_column(table.column_names.index("batch"), "batch", ids), old)
    published.unlink()
    with closing(sqlite3.connect(published.parent / STATE / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("UPDATE members SET batch = ? WHERE batch = ?", (old_id, batch_id))
        ledger.execute(
            "UPDATE batches SET batch = ?, file = ?, sha256 = ? WHERE batch = ?",
            (old_id, old.name, durable.digest(old), batch_id),
        )
    return old


def four(folder: Path) -> list[Outcome]:
    """Return four scans that are there, one of each status."""
    broken = ScanRef(str(folder / "broken.png"), "broken.png", source=str(folder))
    sure, unsure, blank = (
        scan(folder, f"{name}.png", ink) for name, ink in (("sure", 4), ("unsure", 5), ("blank", 6))
    )
    (folder / "broken.png").write_bytes(b"no image")
    return [
        outcome(sure),
        outcome(unsure, Status.REVIEW, 7, Reason.LOW_CONFIDENCE, 0.4),
        outcome(blank, Status.REFUSED, None, Reason.BLANK),
        outcome(broken, Status.FAILED, None, Reason.NOT_AN_IMAGE),
    ]
