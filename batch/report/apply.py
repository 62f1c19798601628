"""The step that applies saved corrections: corrected results, an audit, and labelled scans for training."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from batch.clock import iso
from batch.errors import BusyError, ConfigError, InputError, OutboxError
from batch.inputs.names import IMAGE_SUFFIXES
from batch.lengths import MAX_DIGITS
from batch.locations import STATE
from batch.outbox import batches, corrections, disposal, ledger
from batch.outbox.batches import Batch
from batch.outbox.corrections import NONE, Correction
from batch.outbox.ledger import Ledger
from batch.records import Outcome, Status
from batch.results import corrected, names, reader
from batch.results.reader import Row
from batch.results.schema import NUMBER_COLUMN
from batch.storage import durable, locks
from batch.text import text_cell

COLUMNS = ("file", "sha256", "batch", "corrected")  # required in a file of corrections
LABELLED = "corrected"
"""Folder of the outbox with the corrected scans, in folders named 0 to 9 and none, or as their numbers."""

_LABELS = {*map(str, range(10)), NONE}
_NUMBER = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_Key = tuple[str, str]  # file and SHA-256 of a row


class WrongLinesError(ConfigError):
    """Corrections that cannot be applied.

    Attributes:
        problems: One message for each wrong line.
    """

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(f"nothing of {file} was applied: put these lines right, or save the file again")
        self.problems = problems


@dataclass(slots=True)
class ApplyResult:
    """The result of applying corrections.

    Attributes:
        written: Corrected files of results, both new and unchanged ones.
        changed: Number of corrections that differ from the model's prediction.
        confirmed: Number of corrections that agree with it.
        known: Number of corrections in the file that were applied before.
        copied: Number of scans newly copied to the folder of labelled scans.
        missing: Number of scans that could not be copied, because they are gone or have changed.
    """

    written: list[Path] = field(default_factory=list)
    changed: int = 0
    confirmed: int = 0
    known: int = 0
    copied: int = 0
    missing: int = 0


def apply(file: Path, outbox: Path, by: str, now: datetime | None = None) -> ApplyResult:
    """Apply corrections, all of them or none.

    Args:
        file: File of corrections, as the report saves it.
        outbox: Folder of the results.
        by: Name of the person who corrected.
        now: UTC time for the audit; the clock's if None.

    Returns:
        The corrected files, and counts.

    Raises:
        InputError: The file or the outbox does not exist or cannot be read.
        WrongLinesError: A line is wrong.
        BusyError: Another process applies corrections, or a run writes to the ledger.
        OutboxError: The outbox cannot be written.
        LedgerError: The ledger is damaged.
    """
    folder = outbox / STATE
    lines = list(reader.table(file, COLUMNS))
    if not ledger.exists(folder):
        raise InputError(
            f"no ledger in {outbox}: name the outbox that the report was made from with --outbox"
        )
    try:
        lock = folder / "corrections.lock"
        lock.touch()
        with (
            locks.hold(lock, exclusive=True, busy=f"corrections are being applied to {outbox}: wait for it"),
            closing(Ledger(folder)) as open_ledger,
        ):
            return _Application(open_ledger, outbox, by, now or datetime.now(UTC)).run(file, lines)
    except OSError as error:
        raise OutboxError(
            f"cannot write to the outbox {outbox}: {error.strerror}; make room, and apply again"
        ) from error
    except OutboxError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise BusyError(f"a run is writing to {outbox}: apply again when it is done") from error
        raise


@dataclass(slots=True)
class _Published:
    """The results of one batch.

    Attributes:
        batch: The ledger's record of the batch.
        path: File of its results.
        rows: Rows by file and SHA-256.
        members: The ledger's outcomes by file and SHA-256.
        before: Earlier corrections by file and SHA-256.
        has_numbers: True if the rows hold numbers, not single digits.
    """

    batch: Batch
    path: Path
    rows: dict[_Key, Row]
    members: dict[_Key, Outcome]
    before: dict[_Key, Correction]
    has_numbers: bool


class _Application:
    """One file of corrections, which digitbox checks as a whole before it applies any line."""

    def __init__(self, open_ledger: Ledger, outbox: Path, by: str, now: datetime) -> None:
        self._ledger, self._outbox, self._by = open_ledger, outbox, by
        self._now = iso(now)
        self._batches: dict[str, _Published | str] = {}
        self._problems: list[str] = []

    def run(self, file: Path, lines: Sequence[tuple[int, dict[str, str]]]) -> ApplyResult:
        first_lines: dict[tuple[str, str, str], tuple[int, Correction]] = {}
        for number, record in lines:
            correction = self._parse_line(record)
            if isinstance(correction, str):
                self._problems.append(f"line {number}: {correction}")
                continue
            key = correction.batch, correction.file, correction.sha256
            first_number, first = first_lines.setdefault(key, (number, correction))
            if first.corrected != correction.corrected:
                self._problems.append(
                    f"line {number}: it says {correction.corrected}, "
                    f"but line {first_number} says {first.corrected}"
                )
        new = [correction for _, correction in first_lines.values()]
        contents = [] if self._problems else list(self._corrected_contents(new))
        if self._problems:
            raise WrongLinesError(file, self._problems)
        return self._apply(new, contents)

    def _parse_line(self, record: dict[str, str]) -> Correction | str:
        """Return the correction in a line, or a message if the line is wrong."""
        name, sha256, batch_id = record["file"], record["sha256"].strip(), record["batch"].strip()
        label = record["corrected"].strip().lower()
        if not _DIGEST.fullmatch(sha256):
            return f"sha256 is {sha256!r}: a spreadsheet may have changed it; save the corrections again"
        published = self._published(batch_id)
        if isinstance(published, str):
            return published
        if published.has_numbers:
            if label != NONE and not _NUMBER.fullmatch(label):
                return (
                    f"corrected is {label!r}: it must be a number of at most {MAX_DIGITS} digits, or {NONE}"
                )
        elif label not in _LABELS:
            return f"corrected is {label!r}: it must be 0 to 9, or {NONE}"
        row = published.rows.get((name, sha256))
        if row is None or (name, sha256) not in published.members:
            return f"{batch_id} has no row of {name!r} with this sha256: save the corrections again"
        prediction = row.reason or row.status.value if row.prediction is None else str(row.prediction)
        reviewed_at = record.get("reviewed_at", "").strip()
        return Correction(batch_id, name, sha256, prediction, label, self._by, reviewed_at, self._now)

    def _published(self, batch_id: str) -> _Published | str:
        """Return the results of a batch, or a message if they cannot be corrected."""
        if batch_id not in self._batches:
            self._batches[batch_id] = self._find(batch_id)
        return self._batches[batch_id]

    def _find(self, batch_id: str) -> _Published | str:
        batch = batches.find_published(self._ledger, batch_id)
        if batch is None:
            return f"no batch {batch_id!r} in {self._outbox}: name its outbox with --outbox"
        path = self._outbox / batch.file
        if not os.path.isfile(path):
            return f"{batch.file} is no longer in {self._outbox}: put it back, and apply again"
        if durable.digest(path) != batch.sha256:
            return f"{batch.file} has changed since digitbox published it: put the published file back"
        members = batches.members(self._ledger, batch_id)
        return _Published(
            batch,
            path,
            {(row.file, row.sha256): row for row in reader.read(path)},
            {(text_cell(outcome.ref.name), outcome.sha256): outcome for outcome in members},
            corrections.corrections_of(self._ledger, batch_id),
            NUMBER_COLUMN in reader.columns(path),
        )

    def _corrected_contents(self, new: Sequence[Correction]) -> Iterator[tuple[Path, bytes]]:
        """Yield each corrected file with its content, and note those that somebody changed by hand."""
        for batch_id in dict.fromkeys(correction.batch for correction in new):
            published = self._published(batch_id)
            assert isinstance(published, _Published)
            new_of_batch = {
                (correction.file, correction.sha256): correction
                for correction in new
                if correction.batch == batch_id
            }
            content = _corrected_content(published, published.before | new_of_batch)
            target = _corrected_path(published.path)
            if target.exists():
                old_content = target.read_bytes()
                before = _corrected_content(published, published.before)
                if old_content != content and not _has_same_cells(target, old_content, before):
                    self._problems.append(f"{target.name} was changed by hand: move it away, and apply again")
            yield target, content

    def _apply(self, new: Sequence[Correction], contents: Sequence[tuple[Path, bytes]]) -> ApplyResult:
        result = ApplyResult()
        unknown = []
        for correction in new:
            published = self._published(correction.batch)
            assert isinstance(published, _Published)
            before = published.before.get((correction.file, correction.sha256))
            if before is None or before.corrected != correction.corrected:
                unknown.append(correction)
            confirms = correction.corrected == (correction.said if correction.said.isdigit() else NONE)
            result.confirmed += confirms
            result.changed += not confirms
        result.known = len(new) - len(unknown)
        with self._ledger.transaction():
            corrections.add(self._ledger, unknown)
            # Files first: if the process dies before the commit, the user applies the corrections again.
            for target, content in contents:
                if not (target.exists() and target.read_bytes() == content):
                    durable.replace(target, content)
                result.written.append(target)
        # Copies last: a watcher that waits for the ledger need not wait for them.
        for correction in new:
            self._copy_labelled(correction, result)
        return result

    def _copy_labelled(self, correction: Correction, result: ApplyResult) -> None:
        """Copy a scan to the folder of its label, and delete its copies under other labels."""
        published = self._published(correction.batch)
        assert isinstance(published, _Published)
        outcome = published.members[correction.file, correction.sha256]
        if outcome.status is Status.FAILED:  # training cannot read it
            return
        suffix = Path(correction.file).suffix.lower().lstrip(".")
        name = f"{correction.sha256[:32]}.{suffix if suffix in IMAGE_SUFFIXES else 'png'}"
        target = self._outbox / LABELLED / correction.corrected / name
        content = None if target.exists() else _read_scan(outcome, published.batch, self._outbox)
        for other in (self._outbox / LABELLED).glob(f"*/{name}"):
            if other.parent.name != correction.corrected and _is_label(other.parent.name):
                other.unlink(missing_ok=True)
        if content is not None:
            durable.make_folder(target.parent)
            durable.replace(target, content)
            result.copied += 1
        elif not target.exists():
            result.missing += 1


def _is_label(name: str) -> bool:
    return name == NONE or _NUMBER.fullmatch(name) is not None


def _corrected_path(published: Path) -> Path:
    """Return the path of corrected results: beside the published ones, under a name of their own."""
    return published.with_name(names.corrected(published.name))


def _corrected_content(published: _Published, effective: dict[_Key, Correction]) -> bytes:
    labels = {key: (correction.said, correction.corrected) for key, correction in effective.items()}
    return corrected.apply_corrections(published.path, labels)


def _has_same_cells(path: Path, content: bytes, expected: bytes) -> bool:
    """Return whether two contents of a file are the same table.

    Older versions quoted fewer cells of a CSV.
    """
    if content == expected or path.suffix != ".csv":
        return content == expected
    try:
        tables = [list(csv.reader(io.StringIO(text.decode(), newline=""))) for text in (content, expected)]
    except (UnicodeDecodeError, csv.Error):
        return False
    return tables[0] == tables[1]


def _read_scan(outcome: Outcome, batch: Batch, outbox: Path) -> bytes | None:
    """Return the bytes that digitbox read, or None if they are gone."""
    for path in disposal.possible_paths(outcome, batch, outbox):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                content = file.read()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == outcome.sha256:
            return content
    return None
