"""The removal of old scans from done/ and failed/, and of old rows from the ledger; results stay."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from batch import clock
from batch.outbox import disposal, restoration, settled
from batch.outbox.ledger import Ledger, open_ledger
from batch.outbox.settled import Settled
from batch.records import After
from batch.results import names

CHUNK_SCANS = 1000  # scans that the ledger forgets with one commit
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
        problems: An error for each folder that it could not remove.
    """

    files: int = 0
    size_bytes: int = 0
    scans: int = 0
    kept: int = 0
    superseded: int = 0
    batches: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[OSError] = field(default_factory=list)


def prune_outbox(
    outbox: Path, before: datetime, *, dry_run: bool = False, now: Callable[[], datetime] = clock.utc_now
) -> Pruned:
    """Remove scans of done/ and failed/ from before a day, and the ledger's rows of old scans that are gone.

    Files of results stay. Rows of scans that still lie where they were read stay too, or the next run would
    read these scans again. So do scans with a day on which the clock must have been wrong: nobody knows how
    old they are.

    Args:
        outbox: An outbox with a ledger.
        before: The beginning of a day, UTC.
        dry_run: Find out what would be removed, and remove nothing.
        now: Returns the time of day, UTC.

    Raises:
        RunError: `open_ledger` fails.
    """
    pruned = Pruned()
    with open_ledger(outbox, read_only=dry_run) as ledger:
        misdated = _misdated_batches(ledger, clock.compact(before), clock.compact(now()))
        for kind in (disposal.DONE, disposal.FAILED):
            _prune_folder(outbox / kind, before, misdated, now(), pruned, dry_run=dry_run)
        _prune_ledger(ledger, outbox, clock.compact(before), misdated, pruned, dry_run=dry_run)
        if not dry_run:
            settled.shrink(ledger)
    return pruned


def _misdated_batches(ledger: Ledger, before: str, now: str) -> frozenset[str]:
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
    return frozenset(misdated)


def _prune_folder(
    folder: Path, before: datetime, misdated: frozenset[str], now: datetime, pruned: Pruned, *, dry_run: bool
) -> None:
    if os.path.islink(folder):
        pruned.notes.append(f"{folder} is a link: digitbox leaves alone what is there")
        return
    if not os.path.isdir(folder):
        return
    for day in sorted(folder.iterdir()):
        if day.is_symlink() or not day.is_dir() or not _DAY.fullmatch(day.name):
            continue  # digitbox did not make it
        kept = misdated & set(os.listdir(day))
        if day.name < FIRST_DAY or day.name > f"{now + timedelta(days=1):%Y-%m-%d}" or kept:
            pruned.notes.append(
                f"{day} stays: the clock was wrong on that day; delete by hand what is old in it"
            )
        elif day.name < f"{before:%Y-%m-%d}":
            _remove(day, pruned, dry_run=dry_run)


def _remove(folder: Path, pruned: Pruned, *, dry_run: bool) -> None:
    files, size_bytes = _measure(folder)
    if not dry_run:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            pruned.problems.append(error)
            files_now, size_now_bytes = _measure(folder)
            files, size_bytes = files - files_now, size_bytes - size_now_bytes
    pruned.files += files
    pruned.size_bytes += size_bytes


def _measure(folder: Path) -> tuple[int, int]:
    """Return the number and the size in bytes of the files in a folder."""
    count = size_bytes = 0
    for parent, _, file_names in os.walk(folder):
        for name in file_names:
            count += 1
            size_bytes += os.lstat(os.path.join(parent, name)).st_size
    return count, size_bytes


def _prune_ledger(
    ledger: Ledger, outbox: Path, before: str, misdated: frozenset[str], pruned: Pruned, *, dry_run: bool
) -> None:
    pruned.superseded = settled.count_superseded(ledger, before)
    if not dry_run:
        settled.forget_superseded(ledger, before)
    inputs = _Inputs()
    chunk: list[Settled] = []
    for scan in settled.settled_scans(ledger):
        if scan.batch.stamp >= before or restoration.is_in_place(scan.outcome):
            continue
        if scan.batch.batch_id in misdated or names.day(scan.batch.file) < FIRST_DAY:
            continue
        if scan.batch.after is After.LEAVE and not inputs.has_folder_of(scan):
            pruned.kept += 1
            continue
        pruned.scans += 1
        chunk.append(scan)
        if len(chunk) >= CHUNK_SCANS:
            if not dry_run:
                settled.forget_scans(ledger, chunk)
            chunk.clear()
    if not dry_run:
        settled.forget_scans(ledger, chunk)
        taken_away = (
            batch
            for batch in settled.published_batches(ledger)
            if batch.stamp < before and not os.path.lexists(outbox / batch.file)
        )
        while batches := list(itertools.islice(taken_away, CHUNK_SCANS)):
            pruned.batches += settled.forget_batches(ledger, batches)


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
