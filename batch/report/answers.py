"""The step that saves a person's answers: first in the corrections, then as labelled scans for training."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batch.clock import as_utc, iso, utc_now
from batch.inputs.names import IMAGE_SUFFIXES
from batch.locations import LABELLED
from batch.outbox.corrections import CorrectionStore
from batch.records import Status
from batch.report.pictures import encode, read_scan
from batch.report.rows import Entry
from batch.results.corrected import NONE, OPEN, Correction, Corrections, is_label
from batch.storage import durable
from batch.storage.open_files import open_regular

MAX_COMMENT = 500  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says of a row.

    Attributes:
        entry: The row.
        label: What the scan is: 0 to 9, a number in results with numbers, `none` or `open`.
        reviewed_at: When the person looked at it; ISO 8601. Anything else counts as no time.
        comment: What else the person says; empty for nothing.
    """

    entry: Entry
    label: str
    reviewed_at: str
    comment: str = ""

    @property
    def said(self) -> str:
        """Return what the model said: its digit or number, or the reason why it gave none."""
        row = self.entry.row
        return row.reason or row.status.value if row.prediction is None else str(row.prediction)


def without_outdated(answers: Iterable[Answer], corrections: Corrections) -> list[Answer]:
    """Return the answers without those that are older than the one that counts, and differ from it.

    An answer without a time is a new one, since nobody knows how old it is.
    """
    now = iso(utc_now())
    return [
        answer for answer in answers if not _is_outdated(answer, corrections.of_row(answer.entry.row), now)
    ]


def _is_outdated(answer: Answer, before: Correction | None, now: str) -> bool:
    if before is None or not _says_new(answer, before):
        return False
    # A browser's clock may be fast: nobody looks at a scan after the answer is saved. That of digitbox may
    # have been fast, too: a time in the future says nothing.
    before_at = min(before.reviewed_at or before.applied_at, before.applied_at)
    return "" < _utc(answer.reviewed_at) < before_at <= now


def _says_new(answer: Answer, before: Correction | None) -> bool:
    return before is None or (answer.label, answer.comment) != (before.corrected, before.comment)


def save(store: CorrectionStore, answers: Sequence[Answer], by: str) -> list[Correction]:
    """Save the answers that say something new, all of them or none.

    Args:
        store: The corrections of the outbox, as they are now.
        answers: The answers; the last one of a scan counts.
        by: Name of the person.

    Returns:
        What was added; it is on the disk.

    Raises:
        OutboxError: The disk is full, or another process holds the file for long.
    """
    new: dict[str, Correction] = {}
    now = iso(utc_now())
    for answer in answers:
        row = answer.entry.row
        new.pop(answer.entry.key, None)
        if _says_new(answer, store.current.of_row(row)):
            new[answer.entry.key] = Correction(
                file=row.file,
                sha256=row.sha256,
                page=row.page,
                source=row.source,
                said=answer.said,
                corrected=answer.label,
                corrected_by=by,
                reviewed_at=_utc(answer.reviewed_at),
                applied_at=now,
                comment=answer.comment,
            )
    added = list(new.values())
    store.add(added)
    return added


def _utc(text: str) -> str:
    """Return a time as `iso` writes it; empty if it is none, e.g. since a spreadsheet changed it."""
    try:
        return iso(as_utc(datetime.fromisoformat(text)))
    except (ValueError, OverflowError):
        return ""


def is_confirmed(correction: Correction) -> bool:
    """Return whether a person said what the model had said."""
    said = correction.said
    return correction.corrected == (said if said.isdigit() else NONE)


@dataclass(slots=True)
class CopyResult:
    """Counts of scans that were to be copied.

    Attributes:
        copied: Number of scans newly copied.
        missing: Number of scans that could not be copied, because they are gone or have changed.
    """

    copied: int = 0
    missing: int = 0


def copy_labelled(entries: Iterable[tuple[Entry, str]], outbox: Path) -> CopyResult:
    """Copy scans and pages to the folder of their label, and delete their copies under other labels.

    Args:
        entries: Rows with their labels.
        outbox: The outbox, whose folder `LABELLED` gets the copies.

    Raises:
        OSError: A copy cannot be written.
    """
    result = CopyResult()
    labels = _labels_of_copies(outbox / LABELLED)
    for entry, label in entries:
        if entry.row.status is Status.FAILED:
            continue  # training cannot read it
        name = _name_of_copy(entry)
        for other in labels[name] - {label}:
            (outbox / LABELLED / other / name).unlink(missing_ok=True)
            labels[name].remove(other)
        target = outbox / LABELLED / label / name
        if label == OPEN or target.exists():
            continue
        content = _read_bytes(entry) if entry.row.page is None else _read_page(entry)
        if content is None:
            result.missing += 1
            continue
        durable.make_folder(target.parent)
        durable.replace(target, content)
        labels[name].add(label)
        result.copied += 1
    return result


def _labels_of_copies(folder: Path) -> defaultdict[str, set[str]]:
    """Return the labels under which scans are copied, by the name of the copy."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    with suppress(OSError):  # there are none yet
        for label in os.listdir(folder):
            if is_label(label, with_numbers=True):
                with suppress(OSError):  # no folder, or somebody took it away
                    for name in os.listdir(folder / label):
                        labels[name].add(label)
    return labels


def _name_of_copy(entry: Entry) -> str:
    """Return the name under which digitbox copies a scan, or a page of it."""
    row = entry.row
    if row.page is not None:
        return f"{row.sha256[:32]}-{row.page}.png"
    suffix = Path(row.file).suffix.lower().lstrip(".")
    return f"{row.sha256[:32]}.{suffix if suffix in IMAGE_SUFFIXES else 'png'}"


def _read_page(entry: Entry) -> bytes | None:
    """Return a page of a file as digitbox saw it, as a PNG; None if the file is gone."""
    grey = read_scan(entry)
    return None if isinstance(grey, str) else encode(grey, ".png")


def _read_bytes(entry: Entry) -> bytes | None:
    """Return the bytes that digitbox read, or None if they are gone."""
    for path in entry.paths:
        try:
            with open_regular(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
                content = file.read()
        except (OSError, ValueError):  # gone, or its name has a zero byte
            continue
        if hashlib.sha256(content).hexdigest() == entry.row.sha256:
            return content
    return None
