"""From corrections that a person saved to corrected results, an audit, and labelled scans to learn from."""

from __future__ import annotations

import hashlib
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
from batch.locations import STATE
from batch.outbox import batches, corrections, disposal, ledger
from batch.outbox.batches import Batch
from batch.outbox.corrections import NONE, Correction
from batch.outbox.ledger import Ledger
from batch.records import Outcome, Status
from batch.results import corrected, names, reader
from batch.results.reader import Row
from batch.storage import durable, locks
from batch.text import text_cell

COLUMNS = ("file", "sha256", "batch", "corrected")
LABELLED = "corrected"
"""Folder of the outbox with the corrected scans, in folders named 0 to 9 and none."""

_LABELS = {*map(str, range(10)), NONE}
_DIGEST = re.compile(r"[0-9a-f]{64}")


class WrongLinesError(ConfigError):
    """Corrections that cannot be applied; `problems` has a line for each."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(f"nothing of {file} was applied: put these lines right, or save the file anew")
        self.problems = problems


@dataclass(slots=True)
class Applied:
    """What became of corrections.

    Attributes:
        written: corrected files of results, whether they are new or were there already.
        changed: corrections that say something else than the model.
        confirmed: those that say the same.
        known: those of them that had been applied before.
        copied: scans that were put into the folder of labelled scans now.
        missing: scans that are gone or have changed, and could not be.
    """

    written: list[Path] = field(default_factory=list)
    changed: int = 0
    confirmed: int = 0
    known: int = 0
    copied: int = 0
    missing: int = 0


def apply(file: Path, outbox: Path, by: str, now: datetime | None = None) -> Applied:
    """Applies corrections, all of them or none.

    Args:
        file: as the report saved it.
        outbox: with the results.
        by: who corrected.
        now: UTC; the clock, if not given.

    Raises:
        InputError: the file or the outbox is not there, or cannot be read.
        ConfigError: a line is wrong; the message has a line for each.
        BusyError: others are being applied.
        OutboxError: the outbox cannot be written.
        LedgerError: its ledger is damaged.
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
            closing(Ledger(folder)) as known,
        ):
            return _Application(known, outbox, by, now or datetime.now(UTC)).run(file, lines)
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
    """The results of one batch."""

    batch: Batch
    path: Path
    rows: dict[tuple[str, str], Row]
    members: dict[tuple[str, str], Outcome]
    before: dict[tuple[str, str], Correction]


class _Application:
    """Corrections that are being checked, and applied when all are right."""

    def __init__(self, known: Ledger, outbox: Path, by: str, now: datetime) -> None:
        self._known, self._outbox, self._by = known, outbox, by
        self._now = iso(now)
        self._batches: dict[str, _Published | str] = {}
        self._problems: list[str] = []

    def run(self, file: Path, lines: Sequence[tuple[int, dict[str, str]]]) -> Applied:
        wanted: dict[tuple[str, str, str], tuple[int, Correction]] = {}
        for number, record in lines:
            checked = self._checked(record)
            if isinstance(checked, str):
                self._problems.append(f"line {number}: {checked}")
                continue
            key = checked.batch, checked.file, checked.sha256
            first, other = wanted.setdefault(key, (number, checked))
            if other.corrected != checked.corrected:
                self._problems.append(
                    f"line {number}: says {checked.corrected}, and line {first} {other.corrected}"
                )
        contents = [] if self._problems else list(self._contents([one for _, one in wanted.values()]))
        if self._problems:
            raise WrongLinesError(file, self._problems)
        return self._apply([one for _, one in wanted.values()], contents)

    def _checked(self, record: dict[str, str]) -> Correction | str:
        """The correction that a line holds, or what is wrong with it."""
        name, sha256, batch_id = record["file"], record["sha256"].strip(), record["batch"].strip()
        label = record["corrected"].strip().lower()
        if label not in _LABELS:
            return f"corrected is {label!r}: it must be 0 to 9, or {NONE}"
        if not _DIGEST.fullmatch(sha256):
            return f"sha256 is {sha256!r}: a spreadsheet may have changed it; save the corrections again"
        published = self._published(batch_id)
        if isinstance(published, str):
            return published
        row = published.rows.get((name, sha256))
        if row is None or (name, sha256) not in published.members:
            return f"{batch_id} has no row of {name!r} with this sha256: save the corrections again"
        said = row.reason or row.status.value if row.prediction is None else str(row.prediction)
        at = record.get("reviewed_at", "").strip()
        return Correction(batch_id, name, sha256, said, label, self._by, at, self._now)

    def _published(self, batch_id: str) -> _Published | str:
        if batch_id not in self._batches:
            self._batches[batch_id] = self._find(batch_id)
        return self._batches[batch_id]

    def _find(self, batch_id: str) -> _Published | str:
        batch = batches.find_published(self._known, batch_id)
        if batch is None:
            return f"no batch {batch_id!r} in {self._outbox}: name its outbox with --outbox"
        path = self._outbox / batch.file
        if not os.path.isfile(path):
            return f"{batch.file} is no longer in {self._outbox}: put it back, and apply again"
        if durable.digest(path) != batch.sha256:
            return f"{batch.file} was changed since it was published: put the published one back"
        return _Published(
            batch,
            path,
            {(row.file, row.sha256): row for row in reader.read(path)},
            {(text_cell(one.ref.name), one.sha256): one for one in batches.members(self._known, batch_id)},
            corrections.corrections_of(self._known, batch_id),
        )

    def _contents(self, wanted: Sequence[Correction]) -> Iterator[tuple[Path, bytes]]:
        """Yields what is to be written where; somebody else's file in that place is a problem."""
        for batch_id in dict.fromkeys(one.batch for one in wanted):
            published = self._published(batch_id)
            assert isinstance(published, _Published)
            mine = {(one.file, one.sha256): one for one in wanted if one.batch == batch_id}
            content = _corrected(published, published.before | mine)
            target = corrected_path(published.path)
            if target.exists():
                there = target.read_bytes()
                if there != content and there != _corrected(published, published.before):
                    self._problems.append(f"{target.name} was changed by hand: move it away, and apply again")
            yield target, content

    def _apply(self, wanted: Sequence[Correction], contents: Sequence[tuple[Path, bytes]]) -> Applied:
        done = Applied()
        fresh = []
        for one in wanted:
            published = self._published(one.batch)
            assert isinstance(published, _Published)
            before = published.before.get((one.file, one.sha256))
            if before is None or before.corrected != one.corrected:
                fresh.append(one)
            confirms = one.corrected == (one.said if one.said.isdigit() else NONE)
            done.confirmed += confirms
            done.changed += not confirms
        done.known = len(wanted) - len(fresh)
        with self._known.transaction():
            corrections.add(self._known, fresh)
            for target, content in contents:  # before the commit: what is killed here is applied again
                if not (target.exists() and target.read_bytes() == content):
                    durable.replace(target, content)
                done.written.append(target)
        for one in wanted:  # after it: a watcher need not wait for copies
            self._label(one, done)
        return done

    def _label(self, one: Correction, done: Applied) -> None:
        """Puts a scan into the folder of its digit, and out of the folder of another."""
        published = self._published(one.batch)
        assert isinstance(published, _Published)
        member = published.members[one.file, one.sha256]
        if member.status is Status.FAILED:  # what cannot be read teaches nothing
            return
        suffix = Path(one.file).suffix.lower().lstrip(".")
        name = f"{one.sha256[:32]}.{suffix if suffix in IMAGE_SUFFIXES else 'png'}"
        target = self._outbox / LABELLED / one.corrected / name
        content = None if target.exists() else _scan(member, published.batch, self._outbox)
        for label in _LABELS - {one.corrected}:
            (self._outbox / LABELLED / label / name).unlink(missing_ok=True)
        if content is not None:
            durable.make_folder(target.parent)
            durable.replace(target, content)
            done.copied += 1
        elif not target.exists():
            done.missing += 1


def corrected_path(published: Path) -> Path:
    """Where corrected results stand: beside the published ones, under a name that is not taken for theirs."""
    return published.with_name(names.corrected(published.name))


def _corrected(published: _Published, said: dict[tuple[str, str], Correction]) -> bytes:
    labels = {key: (one.said, one.corrected) for key, one in said.items()}
    return corrected.apply_corrections(published.path, labels)


def _scan(member: Outcome, batch: Batch, outbox: Path) -> bytes | None:
    """The bytes that were read, if they are still somewhere."""
    for place in disposal.possible_paths(member, batch, outbox):
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                content = file.read()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == member.sha256:
            return content
    return None
