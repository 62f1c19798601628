"""What is old in an outbox, let go of; results never."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batch import clock
from batch.outbox import disposal, settled
from batch.outbox.settled import Archive, Settled
from batch.records import After

CHUNK_SCANS = 1000  # scans that are forgotten with one commit
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(slots=True)
class Pruned:
    """What `prune` did.

    Attributes:
        files: removed from done/ and failed/, with the files that say why scans failed.
        size_bytes: of these.
        scans: of which the ledger knows nothing any more.
        kept: scans in folders that are not there, or empty: perhaps they will be again.
        superseded: rows of the ledger to which there was a later one.
        batches: of which the ledger knows nothing any more.
        notes: what was left alone, and why.
        problems: what could not be removed.
    """

    files: int = 0
    size_bytes: int = 0
    scans: int = 0
    kept: int = 0
    superseded: int = 0
    batches: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[OSError] = field(default_factory=list)


def prune_outbox(outbox: Path, before: datetime, *, dry_run: bool = False) -> Pruned:
    """Removes what is from before a day: scans of done/ and failed/, and what the ledger knows of scans.

    Files of results stay. So do rows of the ledger whose scans still lie in their place, or they would be
    read again.

    Args:
        outbox: with a ledger.
        before: the beginning of a day, UTC.
        dry_run: only finds out what would be removed.

    Raises:
        RunError: as of `archive.opened`.
    """
    done = Pruned()
    with settled.open_ledger(outbox, read_only=dry_run) as past:
        for kind in (disposal.DONE, disposal.FAILED):
            _prune_folder(outbox / kind, before, done, dry_run=dry_run)
        _prune_ledger(past, outbox, clock.compact(before), done, dry_run=dry_run)
        if not dry_run:
            past.shrink()
    return done


def _prune_folder(folder: Path, before: datetime, done: Pruned, *, dry_run: bool) -> None:
    if os.path.islink(folder):
        done.notes.append(f"{folder} is a link: what is there is left alone")
        return
    if not os.path.isdir(folder):
        return
    for day in sorted(folder.iterdir()):
        if day.is_symlink() or not day.is_dir() or not _DAY.fullmatch(day.name):
            continue  # not ours
        if day.name >= f"{before:%Y-%m-%d}":
            continue
        files, size_bytes = _measured(day)
        if not dry_run:
            try:
                shutil.rmtree(day)
            except OSError as error:
                done.problems.append(error)
                left, left_bytes = _measured(day)
                files, size_bytes = files - left, size_bytes - left_bytes
        done.files += files
        done.size_bytes += size_bytes


def _measured(folder: Path) -> tuple[int, int]:
    """Number and size of the files in a folder."""
    count = size_bytes = 0
    for above, _, names in os.walk(folder):
        for name in names:
            count += 1
            size_bytes += os.lstat(os.path.join(above, name)).st_size
    return count, size_bytes


def _prune_ledger(past: Archive, outbox: Path, before: str, done: Pruned, *, dry_run: bool) -> None:
    done.superseded = past.superseded(before)
    if not dry_run:
        past.forget_superseded(before)
    is_there = _Roots()
    waiting: list[Settled] = []
    for scan in past.settled():
        if settled.stamp(scan.batch) >= before or disposal.is_in_place(scan.outcome):
            continue
        if scan.batch.after is After.LEAVE and not is_there(scan):
            done.kept += 1
            continue
        done.scans += 1
        waiting.append(scan)
        if len(waiting) >= CHUNK_SCANS:
            if not dry_run:
                past.forget_scans(waiting)
            waiting.clear()
    if not dry_run:
        past.forget_scans(waiting)
        gone = (
            batch
            for batch in past.published()
            if settled.stamp(batch) < before and not os.path.lexists(outbox / batch.file)
        )
        while some := list(itertools.islice(gone, CHUNK_SCANS)):
            done.batches += past.forget_batches(some)


class _Roots:
    """Tells whether the folder that was read is there; an empty one may be a disk that is not mounted."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def __call__(self, scan: Settled) -> bool:
        root = disposal.root_folder(scan.outcome.ref)
        if root not in self._known:
            try:
                with os.scandir(root) as entries:
                    self._known[root] = next(entries, None) is not None
            except OSError:
                self._known[root] = False
        return self._known[root]
