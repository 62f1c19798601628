"""The rows that a report shows, each with the paths of its scan and an earlier correction."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from batch.errors import InputError
from batch.locations import STATE
from batch.outbox import batches, corrections, disposal
from batch.outbox.ledger import Ledger, open_ledger
from batch.outbox.ledger import exists as ledger_exists
from batch.records import After, Status
from batch.results import names, reader
from batch.results.reader import Row
from batch.text import text_cell

MAX_OK_ROWS = 200_000  # about 20 MB of page; a larger one opens slowly
CONFIDENCE_BINS = 20  # bars of the confidence chart
_REVIEW_ORDER = {Status.REVIEW: 0, Status.REFUSED: 1, Status.FAILED: 2, Status.OK: 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the report.

    Attributes:
        row: The published row.
        paths: Paths where the scan may lie; its SHA-256 tells which one is right.
        corrected: An earlier correction, 0 to 9 or none; empty without one.
        left: True if the run left the scan in its place, so that a later run may have read it again.
    """

    row: Row
    paths: tuple[str, ...]
    corrected: str = ""
    left: bool = True

    @property
    def doubtful(self) -> bool:
        """True if a person should look at the scan and nobody has."""
        return self.row.status is not Status.OK and not self.corrected


@dataclass(slots=True)
class ReportRows:
    """The rows of a report and their counts.

    Attributes:
        entries: Rows to show, the doubtful ones first.
        counts: Number of all rows by status.
        digits: Number of all rows with a single digit, by prediction.
        confidences: Number of all rows by confidence, in `CONFIDENCE_BINS` equal ranges.
        left_out: Number of rows that are counted but not among the entries; all of them are ok.
        read_again: Number of rows left out because a later run read the same scan.
        sources: Files of results, oldest first.
    """

    entries: list[Entry] = field(default_factory=list)
    counts: Counter[Status] = field(default_factory=Counter)
    digits: Counter[int] = field(default_factory=Counter)
    confidences: Counter[int] = field(default_factory=Counter)
    left_out: int = 0
    read_again: int = 0
    sources: list[Path] = field(default_factory=list)


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """Find the files of results in outboxes, and keep those that are named.

    Args:
        paths: Outboxes and files of results.

    Returns:
        Each file once, in the order of the paths.

    Raises:
        InputError: A path does not exist, or an outbox has no results.
    """
    sources: list[Path] = []
    for path in paths:
        if os.path.isdir(path):
            in_outbox = names.find(path)
            if not in_outbox:
                raise InputError(f"no results in {path}: make some with digitbox run, or name their folder")
            sources += in_outbox
        elif os.path.exists(path):
            sources.append(path)
        else:
            raise InputError(f"no such file or folder: {path}; name an outbox or a file of results")
    return list(dict.fromkeys(sources))


def collect(paths: Sequence[Path], max_ok_rows: int = MAX_OK_ROWS) -> ReportRows:
    """Read files of results.

    If several runs read a scan that stayed in its place, the last row counts.

    Args:
        paths: Files of results, oldest first.
        max_ok_rows: Upper limit of entries that need no review; further rows are only counted.

    Returns:
        The rows and their counts.

    Raises:
        InputError: A file cannot be read.
        LedgerError: The ledger beside one is damaged.
    """
    report_rows = ReportRows(sources=list(paths))
    last_batches: dict[tuple[str, str], str] = {}
    ok_count = 0
    for path in reversed(paths):  # so that the last row of a scan comes first
        for entry in _read_entries(path):
            row = entry.row
            key = (entry.paths[0], row.sha256)
            if entry.left and last_batches.setdefault(key, row.batch) != row.batch:
                report_rows.read_again += 1
                continue
            report_rows.counts[row.status] += 1
            if isinstance(row.prediction, int):
                report_rows.digits[row.prediction] += 1
            if row.confidence is not None:
                last_bin = CONFIDENCE_BINS - 1
                report_rows.confidences[min(last_bin, int(row.confidence * CONFIDENCE_BINS))] += 1
            if not entry.doubtful and (ok_count := ok_count + 1) > max_ok_rows:
                report_rows.left_out += 1
            else:
                report_rows.entries.append(entry)
    report_rows.entries.sort(key=_review_order)
    return report_rows


def _review_order(entry: Entry) -> tuple[int, float]:
    status = entry.row.status if entry.doubtful else Status.OK
    return _REVIEW_ORDER[status], entry.row.confidence or 0.0


def _read_entries(path: Path) -> Iterator[Entry]:
    """Yield the rows of one file of results."""
    with ExitStack() as stack:
        has_ledger = ledger_exists(path.parent / STATE)
        ledger = stack.enter_context(open_ledger(path.parent, read_only=True)) if has_ledger else None
        by_id: dict[str, _BatchEntries] = {}
        for row in reader.read(path):
            if row.batch not in by_id:
                by_id[row.batch] = _BatchEntries(ledger, row.batch, path.parent)
            yield by_id[row.batch].entry(row)


class _BatchEntries:
    """The scans and corrections of one batch; without a ledger, the scans are expected near the results."""

    def __init__(self, ledger: Ledger | None, batch_id: str, folder: Path) -> None:
        self._folder = folder
        self._paths: defaultdict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
        self._corrections: dict[tuple[str, str], corrections.Correction] = {}
        batch = None if ledger is None else batches.find_published(ledger, batch_id)
        self._left = batch is not None and batch.after is After.LEAVE
        if ledger is None or batch is None:
            return
        self._corrections = corrections.corrections_of(ledger, batch_id)
        for outcome in batches.members(ledger, batch_id):
            key = text_cell(outcome.ref.name), outcome.sha256
            self._paths[key].append(tuple(disposal.possible_paths(outcome, batch, folder)))
        for same_scans in self._paths.values():
            same_scans.reverse()  # `entry` takes them from the end

    def entry(self, row: Row) -> Entry:
        key = row.file, row.sha256
        correction = self._corrections.get(key)
        same_scans = self._paths.get(key)
        paths = same_scans.pop() if same_scans else self._likely_paths(row)
        return Entry(row, paths, "" if correction is None else correction.corrected, self._left)

    def _likely_paths(self, row: Row) -> tuple[str, ...]:
        in_source = (f"{row.source}/{row.file}",) if row.source else ()
        return (*in_source, str(self._folder / row.file), row.file)
