"""The rows that a report shows, with where each scan may be and what a person has said of it already."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from batch.errors import InputError
from batch.locations import STATE
from batch.outbox import batches, corrections, disposal, ledger
from batch.outbox.ledger import Ledger, open_ledger
from batch.records import After, Status
from batch.results import names, reader
from batch.results.reader import Row
from batch.text import text_cell

MAX_OK_ROWS = 200_000  # more make a page of too many megabytes
_URGENCY = {Status.REVIEW: 0, Status.REFUSED: 1, Status.FAILED: 2, Status.OK: 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the report.

    Attributes:
        row: as it was published.
        places: where the scan may be; its SHA-256 tells whether it is.
        corrected: what a person said of it, if it was corrected already: 0 to 9, or none.
        left: whether the scan was left where it was, so that another run may have read it once more.
    """

    row: Row
    places: tuple[str, ...]
    corrected: str = ""
    left: bool = True

    @property
    def doubtful(self) -> bool:
        """Whether a person should look, and none has."""
        return self.row.status is not Status.OK and not self.corrected


@dataclass(slots=True)
class Found:
    """What a report is made of.

    Attributes:
        entries: the doubtful first.
        counts: of all rows, by status.
        digits: of all rows, by prediction.
        confidences: of all rows, in twentieths.
        left_out: rows, all of them ok, that are counted but not among the entries.
        read_again: rows left out because a later run read the same scan.
        sources: files of results.
    """

    entries: list[Entry] = field(default_factory=list)
    counts: Counter[Status] = field(default_factory=Counter)
    digits: Counter[int] = field(default_factory=Counter)
    confidences: Counter[int] = field(default_factory=Counter)
    left_out: int = 0
    read_again: int = 0
    sources: list[Path] = field(default_factory=list)


def find_sources(given: Sequence[Path]) -> list[Path]:
    """Files of results that are named, or lie in outboxes that are named.

    Raises:
        InputError: one is not there, or an outbox has none.
    """
    found: list[Path] = []
    for path in given:
        if os.path.isdir(path):
            inside = names.find(path)
            if not inside:
                raise InputError(f"no results in {path}: make some with digitbox run, or name their folder")
            found += inside
        elif os.path.exists(path):
            found.append(path)
        else:
            raise InputError(f"no such file or folder: {path}; name an outbox or a file of results")
    return list(dict.fromkeys(found))


def collect(paths: Sequence[Path], most_ok: int = MAX_OK_ROWS) -> Found:
    """Reads files of results.

    Args:
        paths: of the files. Of a scan that was left in its place and read again, the last row counts.
        most_ok: rows that are ok and are kept; more are only counted.

    Raises:
        InputError: one cannot be read.
        LedgerError: the ledger beside one is damaged.
    """
    found = Found(sources=list(paths))
    seen: dict[tuple[str, str], str] = {}
    kept_ok = 0
    for path in reversed(paths):  # the last row of a scan comes first
        for entry in _entries(path):
            row = entry.row
            key = (entry.places[0], row.sha256)
            if entry.left and seen.setdefault(key, row.batch) != row.batch:
                found.read_again += 1
                continue
            found.counts[row.status] += 1
            if row.prediction is not None:
                found.digits[row.prediction] += 1
            if row.confidence is not None:
                found.confidences[min(19, int(row.confidence * 20))] += 1
            if not entry.doubtful and (kept_ok := kept_ok + 1) > most_ok:
                found.left_out += 1
            else:
                found.entries.append(entry)
    found.entries.sort(key=_urgency)
    return found


def _urgency(entry: Entry) -> tuple[int, float]:
    return (_URGENCY[entry.row.status] if entry.doubtful else 3, entry.row.confidence or 0.0)


def _entries(path: Path) -> Iterator[Entry]:
    """Yields the rows of one file of results."""
    with ExitStack() as opened:
        has_ledger = ledger.exists(path.parent / STATE)
        known = opened.enter_context(open_ledger(path.parent, read_only=True)) if has_ledger else None
        by_id: dict[str, _Batch] = {}
        for row in reader.read(path):
            if row.batch not in by_id:
                by_id[row.batch] = _Batch(known, row.batch, path.parent)
            yield by_id[row.batch].entry(row)


class _Batch:
    """What the ledger knows of a batch; without a ledger, scans are looked for near the results."""

    def __init__(self, known: Ledger | None, batch_id: str, folder: Path) -> None:
        self._folder = folder
        self._places: defaultdict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
        self._corrections: dict[tuple[str, str], corrections.Correction] = {}
        batch = None if known is None else batches.find_published(known, batch_id)
        self._left = batch is not None and batch.after is After.LEAVE
        if known is None or batch is None:
            return
        self._corrections = corrections.corrections_of(known, batch_id)
        for outcome in batches.members(known, batch_id):
            key = text_cell(outcome.ref.name), outcome.sha256
            self._places[key].append(tuple(disposal.possible_paths(outcome, batch, folder)))
        for places in self._places.values():
            places.reverse()  # to be taken from the end

    def entry(self, row: Row) -> Entry:
        key = row.file, row.sha256
        said = self._corrections.get(key)
        if self._places.get(key):
            places = self._places[key].pop()
        else:
            places = (str(self._folder / row.file), row.file)
        return Entry(row, places, "" if said is None else said.corrected, self._left)
