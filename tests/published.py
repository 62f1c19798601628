"""An outbox with a few results of real files, for tests of the report and of corrections."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from batch.outbox.publisher import Outbox
from batch.records import After, Outcome, Reason, ScanRef, Status

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def scan(folder: Path, name: str, ink_px: int = 4) -> ScanRef:
    """Write a picture of a bar of ink; return its scan."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.full((40, 30), 250, np.uint8)
    picture[8:32, 12 : 12 + ink_px] = 20
    _, data = cv2.imencode(".png", picture)
    path = folder / name
    path.write_bytes(bytes(data))
    info = os.stat(path)
    return ScanRef(str(path), name, info.st_size, info.st_mtime_ns, info.st_ino)


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


def publish(
    folder: Path,
    outcomes: Sequence[Outcome],
    *,
    format_name: str = "csv",
    after: After = After.LEAVE,
    model: str = "fake-1",
    now: datetime = NOON,
) -> Path:
    """Publish rows in an outbox; return the file."""
    with Outbox(
        folder,
        format_name=format_name,
        rows_per_file=1000,
        model=model,
        with_probabilities=False,
        after=after,
        now=lambda: now,
    ) as box:
        box.add(outcomes)
    return Path(box.published[0])


def four(folder: Path) -> list[Outcome]:
    """Return four scans that are there, one of each status."""
    broken = ScanRef(str(folder / "broken.png"), "broken.png")
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
