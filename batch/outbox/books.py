"""The check of an outbox's books: its ledger against files of results, done/ and failed/."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from batch.locations import DONE, FAILED
from batch.outbox import batches, disposal, settled
from batch.outbox.batches import Batch
from batch.outbox.ledger import Ledger
from batch.records import After, Reason
from batch.results import names
from batch.storage.durable import digest
from batch.text import count, count_scans

_BATCH = re.compile(r"b?[0-9a-f]{8}", re.ASCII)  # older versions had no b


@dataclass(slots=True)
class Books:
    """What an outbox holds, and what does not balance.

    Attributes:
        files: Files of results that are what digitbox published.
        taken: Files of results that somebody has taken away, which people may do.
        scans: Scans that the ledger knows in done/ or failed/ and that are there.
        removed: Scans that are not there any more, which people may do, too.
        problems: One sentence for each thing that does not balance, with what to do.
    """

    files: int = 0
    taken: int = 0
    scans: int = 0
    removed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in an outbox at one moment.

    Attributes:
        results: The names of files of results, and of files with such names.
        batches: The folders of batches in done/ and failed/.
    """

    results: frozenset[str]
    batches: tuple[Path, ...]

    @classmethod
    def of(cls, outbox: Path) -> Listing:
        """List an outbox.

        Raises:
            OSError: A folder cannot be listed.
        """
        folders = (
            folder
            for kind in (DONE, FAILED)
            for folder in sorted((outbox / kind).glob("*-*-*/*"))
            if _BATCH.fullmatch(folder.name)
        )
        return cls(frozenset(path.name for path in names.find_all(outbox)), tuple(folders))


def check_books(ledger: Ledger, outbox: Path, listing: Listing) -> Books:
    """Compare the ledger with what lay in the outbox before it was opened; change nothing.

    The ledger knows each batch before digitbox publishes it. So a batch that appears meanwhile is no problem.

    Args:
        ledger: The ledger, opened after the listing was made.
        outbox: The outbox.
        listing: What lay in it.
    """
    books = Books()
    known: set[str] = set()
    files: set[str] = set()
    for batch in settled.published_batches(ledger):
        known.add(batch.batch_id)
        files.add(batch.file)
        _check_results(batch, outbox, books)
    unfinished = batches.unfinished(ledger)
    known |= {batch.batch_id for batch in unfinished}
    files |= {batch.file for batch in unfinished}
    for name in sorted(listing.results - files):
        books.problems.append(f"{outbox / name} is not in the ledger: if it is a copy, move it elsewhere")
    for folder in listing.batches:
        if folder.name not in known and os.path.isdir(folder):
            books.problems.append(f"{folder} is of a batch that the ledger does not know: look at its scans")
    for scan in settled.settled_scans(ledger, with_moved=True):
        if scan.batch.after is After.MOVE and scan.outcome.reason is not Reason.VANISHED:
            is_there = any(True for _ in disposal.moved_paths(scan.outcome, scan.batch, outbox))
            books.scans += is_there
            books.removed += not is_there
    return books


def _check_results(batch: Batch, outbox: Path, books: Books) -> None:
    path = outbox / batch.file
    try:
        is_whole = digest(path) == batch.sha256
    except FileNotFoundError:
        books.taken += 1
        return
    except OSError as error:
        books.problems.append(f"cannot read {path}: {error.strerror}; allow it")
        return
    books.files += is_whole
    if not is_whole:
        books.problems.append(f"{path} is not what digitbox published: restore it from a copy")


def describe(books: Books) -> str:
    """Return the counts in a sentence."""
    files = f"{count(books.files, 'file')} of results as published, {books.taken:,} taken away"
    return f"{files}; {count_scans(books.scans)} in done/ and failed/, {books.removed:,} removed"
