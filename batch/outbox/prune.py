"""The removal of old scans from done/ and failed/, and of old rows from the ledger; results stay."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

from batch import clock
from batch.errors import OutboxError
from batch.locations import DONE, FAILED, state_folder
from batch.outbox import batches, disposal, restoration, settled, turns
from batch.outbox.ledger import Ledger, hold_to_clean, open_ledger
from batch.outbox.settled import Settled
from batch.records import After, Status
from batch.results import names

CHUNK_BATCHES = 1000  # that the ledger forgets with one commit
FIRST_DAY = "2001-01-01"  # clocks without a battery begin with 1970, 1980 or 2000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(slots=True)
class Pruned:
    """What `prune` removed, or would remove.

    Attributes:
        files: Files of done/ and failed/, with those that say why a scan failed.
        size_bytes: The size of these files.
        scans: Scans that the ledger forgot.
        kept: Scans that it kept, as their folder is missing or empty and may come back.
        superseded: Rows that it forgot, as their scan has a later row.
        batches: Batches that it forgot.
        notes: A line for each folder that `prune` left alone, with the reason.
        problems: An error for each folder or file that it could not remove.
    """

    files: int = 0
    size_bytes: int = 0
    scans: int = 0
    kept: int = 0
    superseded: int = 0
    batches: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[OSError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """The times before which scans are old: beginnings of days, UTC; None keeps all.

    Attributes:
        done: For scans of done/, and scans that stay where digitbox read them.
        failed: For scans of failed/, and others that failed.
    """

    done: datetime | None = None
    failed: datetime | None = None

    @classmethod
    def of_ages(cls, now: datetime, done: timedelta | None, failed: timedelta | None) -> Self:
        """Return the limits that leave whole days which ended less than these ages ago.

        Raises:
            OverflowError: An age is longer than the calendar.
        """
        return cls(*(None if age is None else clock.start_of_day(now - age) for age in (done, failed)))

    @property
    def first(self) -> datetime | None:
        """Return the earlier limit."""
        return min((limit for limit in (self.done, self.failed) if limit is not None), default=None)

    def is_old(self, scan: Settled) -> bool:
        """Return whether a scan is old."""
        limit = self.failed if scan.outcome.status is Status.FAILED else self.done
        return limit is not None and scan.batch.stamp < clock.compact(limit)


def prune_outbox(
    outbox: Path, limits: Limits, *, dry_run: bool = False, now: Callable[[], datetime] = clock.utc_now
) -> Pruned:
    """Remove old scans of done/ and failed/, and the ledger's rows of old scans that are gone.

    Files of results stay. Rows of scans that still lie where they were read stay too, or the next run would
    read these scans again. So do scans with a day on which the clock must have been wrong: nobody knows how
    old they are. A watcher may be at work meanwhile, since both take turns.

    Where the disk is full, nothing can be written to the ledger until the files are gone.

    Args:
        outbox: An outbox with a ledger.
        limits: What is old.
        dry_run: Find out what would be removed, and remove nothing.
        now: Returns the time of day, UTC.

    Raises:
        RunError: `open_ledger` fails.
    """
    pruned = Pruned()

    def work(ledger: Ledger) -> None:
        steps = prune(ledger, outbox, limits, pruned, dry_run=dry_run, now=now())
        turns.take_turns(None if dry_run else state_folder(outbox), steps)

    try:
        with open_ledger(outbox, read_only=dry_run) as ledger:
            work(ledger)
    except OutboxError:
        if dry_run or not _make_room(outbox, limits, pruned, now()):
            raise
        with open_ledger(outbox) as ledger:
            work(ledger)
    return pruned


def _make_room(outbox: Path, limits: Limits, pruned: Pruned, now: datetime) -> bool:
    """Remove old files of done/ and failed/, and leave the ledger as it is; return whether there were any."""
    try:
        with hold_to_clean(outbox), open_ledger(outbox, read_only=True) as ledger:
            work = _Work(ledger, outbox, limits, pruned, dry_run=False, now=now)
            turns.take_turns(state_folder(outbox), work.prune_folders())
    except (OSError, OutboxError):
        return False
    pruned.notes.clear()  # the second time finds the same
    return pruned.files > 0


def prune(
    ledger: Ledger, outbox: Path, limits: Limits, pruned: Pruned, *, dry_run: bool, now: datetime
) -> Iterator[None]:
    """Do the work of `prune_outbox`, and yield after each step. Each step needs the turn."""
    work = _Work(ledger, outbox, limits, pruned, dry_run=dry_run, now=now)
    yield from work.prune_folders()
    yield from work.prune_ledger()
    if not dry_run:
        with suppress(OutboxError):  # it needs room for a copy for a while; the ledger is as right without it
            settled.shrink(ledger)


@dataclass(frozen=True)
class _Work:
    """What one call of `prune` has to do, and what it has done; the methods yield after each step."""

    ledger: Ledger
    outbox: Path
    limits: Limits
    pruned: Pruned
    dry_run: bool
    now: datetime

    @cached_property
    def misdated(self) -> set[str]:
        """The batches that the clock gave a wrong time, as far as the limits matter."""
        now = clock.compact(self.now)
        limits = {limit for limit in (self.limits.done, self.limits.failed) if limit is not None}
        return {
            batch for limit in limits for batch in _misdated_batches(self.ledger, clock.compact(limit), now)
        }

    def prune_folders(self) -> Iterator[None]:
        """Remove old scans of done/ and failed/."""
        # No process writes to folders of finished batches. Those of later batches are not on the list.
        kept = {batch.batch_id for batch in batches.unfinished(self.ledger)}
        folders: list[tuple[str, list[str]]] = []
        for kind, limit in ((DONE, self.limits.done), (FAILED, self.limits.failed)):
            if limit is not None:
                folders += self._old_folders(self.outbox / kind, limit, kept)
        yield
        for day, paths in folders:
            for path in paths:
                _remove(path, self.pruned, dry_run=self.dry_run)
                yield
            if not self.dry_run:
                with suppress(OSError):  # what is left in it has its problem, or is not old
                    os.rmdir(day)

    def _old_folders(self, folder: Path, before: datetime, kept: set[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield each old day of done/ or failed/, and what digitbox may remove from it."""
        if os.path.islink(folder):
            self.pruned.notes.append(f"{folder} is a link: digitbox leaves alone what is there")
            return
        if not os.path.isdir(folder):
            return
        try:
            days = sorted(folder.iterdir())
        except OSError as error:
            self.pruned.problems.append(error)
            return
        tomorrow = f"{self.now + timedelta(days=1):%Y-%m-%d}"
        for day in days:
            if day.is_symlink() or not day.is_dir() or not _DAY.fullmatch(day.name):
                continue  # digitbox did not make it
            try:
                entries = sorted(os.listdir(day))
            except OSError as error:
                self.pruned.problems.append(error)
                continue
            if not FIRST_DAY <= day.name <= tomorrow or not self.misdated.isdisjoint(entries):
                self.pruned.notes.append(
                    f"{day} stays: the clock was wrong on that day; delete by hand what is old in it"
                )
            elif day.name < f"{before:%Y-%m-%d}":
                yield str(day), [os.path.join(day, name) for name in entries if name not in kept]

    def prune_ledger(self) -> Iterator[None]:
        """Forget the rows of old scans that are gone, and then the batches whose files are gone."""
        if self.limits.first is None:
            return
        first = clock.compact(self.limits.first)
        for count in settled.superseded_in_turns(self.ledger, first, forget=not self.dry_run):
            self.pruned.superseded += count
            yield
        inputs = _Inputs()
        for portion in settled.in_turns(settled.settled_scans(self.ledger)):
            old = [scan for scan in portion if self._is_old(scan)]
            gone = [scan for scan in old if scan.batch.after is not After.LEAVE or inputs.has_folder_of(scan)]
            self.pruned.kept += len(old) - len(gone)
            self.pruned.scans += len(gone)
            if not self.dry_run:
                # A scan that came again while the watcher had its turn has a row that is not old.
                settled.forget_scans(self.ledger, gone, with_later=False)
            yield
        if self.dry_run:
            return
        taken_away = (
            batch
            for batch in settled.published_batches(self.ledger)
            if batch.stamp < first and not os.path.lexists(self.outbox / batch.file)
        )
        while chunk := list(itertools.islice(taken_away, CHUNK_BATCHES)):
            self.pruned.batches += settled.forget_batches(self.ledger, chunk)
            yield

    def _is_old(self, scan: Settled) -> bool:
        """Return whether a scan is old for certain, and no longer where it was read."""
        return (
            self.limits.is_old(scan)
            and not restoration.is_in_place(scan.outcome)
            and scan.batch.batch_id not in self.misdated
            and names.day(scan.batch.file) >= FIRST_DAY
        )


def _misdated_batches(ledger: Ledger, before: str, now: str) -> set[str]:
    """Return the batches that seem to be from before a stamp, but came after one that is not.

    The ledger has the batches in their order, whatever the clock said. A stamp later than now proves nothing.
    """
    misdated = set()
    is_recent = False
    for batch in settled.published_batches(ledger):
        if before <= batch.stamp <= now:
            is_recent = True
        elif is_recent and batch.stamp < before:
            misdated.add(batch.batch_id)
    return misdated


def _remove(path: str, pruned: Pruned, *, dry_run: bool) -> None:
    files, size_bytes = _measure(path)
    if not dry_run:
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):  # somebody else deletes there, too
                pruned.problems.append(error)
            files_now, size_now_bytes = _measure(path)
            files, size_bytes = files - files_now, size_bytes - size_now_bytes
    pruned.files += files
    pruned.size_bytes += size_bytes


def _measure(path: str) -> tuple[int, int]:
    """Return the number and the size in bytes of the files in a folder, or of one file.

    A file that is gone meanwhile, or that nobody may look at, does not count.
    """
    count = size_bytes = 0
    is_folder = os.path.isdir(path) and not os.path.islink(path)
    for parent, _, file_names in os.walk(path) if is_folder else [("", [], [path])]:
        for name in file_names:
            with suppress(OSError):
                size_bytes += os.lstat(os.path.join(parent, name)).st_size
                count += 1
    return count, size_bytes


class _Inputs:
    """The folders that runs have read; an empty one may be a disk that is not mounted."""

    def __init__(self) -> None:
        self._has_files: dict[str, bool] = {}

    def has_folder_of(self, scan: Settled) -> bool:
        """Return whether the folder that a run found a scan in is there, and not empty."""
        root = disposal.root_folder(scan.outcome.ref)
        if root not in self._has_files:
            try:
                with os.scandir(root) as entries:
                    self._has_files[root] = next(entries, None) is not None
            except OSError:
                self._has_files[root] = False
        return self._has_files[root]
