"""The rows that a report shows, each with the paths of its scan and what a person said of it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from batch.errors import ConfigError, InputError
from batch.locations import STATE
from batch.outbox import batches, disposal, published_files, renamed
from batch.outbox.corrections import load
from batch.outbox.ledger import Ledger, has_tables
from batch.records import Status
from batch.results import reader
from batch.results.corrected import OPEN, Correction, Corrections, effect
from batch.results.reader import Row
from batch.results.scan_keys import ScanNames, scan_key, short_key, superseded_keys
from batch.text import text_cell

MAX_OK_ROWS = 200_000  # about 20 MB of page; a larger one opens slowly
CONFIDENCE_BINS = 20  # bars of the confidence chart
_Counted = tuple[Status, int | None, int | None]
_REVIEW_ORDER = {Status.REVIEW: 0, Status.REFUSED: 1, Status.FAILED: 2, Status.OK: 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the report.

    Attributes:
        row: The published row.
        paths: Paths where the scan may lie; its SHA-256 tells which one is right.
        correction: What a person said of it; None if nobody has.
    """

    row: Row
    paths: tuple[str, ...]
    correction: Correction | None = None

    @property
    def key(self) -> str:
        """Return a name for the scan, 16 hex digits: the same for the same source, file, page and content."""
        return short_key(self.row.file, self.row.source, self.row.page, self.row.sha256)

    @property
    def answer(self) -> str:
        """Return what a person says that the scan is: a digit, a number or none; empty if nobody says."""
        return (
            "" if self.correction is None or self.correction.corrected == OPEN else self.correction.corrected
        )

    @property
    def status(self) -> Status:
        """Return the effective status."""
        if not self.answer:
            return self.row.status
        return effect(self.answer, with_numbers=self.row.has_number)[0]

    @property
    def digit(self) -> int | None:
        """Return the effective digit, 0 to 9; None if there is none, and for a number of several digits."""
        label = self.answer or str(self.row.prediction)
        return int(label) if label.isdigit() and len(label) == 1 else None

    @property
    def counted(self) -> _Counted:
        """Return what the row counts as: its effective status and digit, and the bar of its confidence."""
        confidence = self.row.confidence
        last_bin = CONFIDENCE_BINS - 1
        confidence_bin = None if confidence is None else min(last_bin, int(confidence * CONFIDENCE_BINS))
        return self.status, self.digit, confidence_bin

    @property
    def doubtful(self) -> bool:
        """True if a person should look at the scan and nobody has."""
        return self.row.status is not Status.OK and not self.answer


@dataclass(slots=True)
class ReportRows:
    """The rows of a report and their counts.

    Attributes:
        entries: Rows to show, the doubtful ones first.
        counts: Number of all rows by effective status.
        digits: Number of all rows with a single digit, by effective digit.
        confidences: Number of all rows by confidence, in `CONFIDENCE_BINS` equal ranges.
        left_out: Rows that are counted but not among the entries, by the key of their scan; none is doubtful.
        read_again: Number of rows left out because digitbox read the same scan again later.
        sources: Files of results, oldest first.
    """

    entries: list[Entry] = field(default_factory=list)
    counts: Counter[Status] = field(default_factory=Counter)
    digits: Counter[int] = field(default_factory=Counter)
    confidences: Counter[int] = field(default_factory=Counter)
    left_out: dict[bytes, _Counted] = field(default_factory=dict)
    read_again: int = 0
    sources: list[Path] = field(default_factory=list)

    def add_counts(self, entry: Entry) -> None:
        """Count a row."""
        self._add(entry.counted, 1)

    def replace_left_out(self, key: bytes) -> None:
        """Count a row no more that is not among the entries, if there is one: its scan has a later row."""
        if counted := self.left_out.pop(key, None):
            self._add(counted, -1)
            self.read_again += 1

    def _add(self, counted: _Counted, number: int) -> None:
        status, digit, confidence_bin = counted
        self.counts[status] += number
        if digit is not None:
            self.digits[digit] += number
        if confidence_bin is not None:
            self.confidences[confidence_bin] += number

    def without_entries(self) -> ReportRows:
        """Return the same rows without the entries; only the rows that are left out are counted."""
        listed = ReportRows()
        for entry in self.entries:
            listed.add_counts(entry)
        return replace(
            self,
            entries=[],
            counts=self.counts - listed.counts,
            digits=self.digits - listed.digits,
            confidences=self.confidences - listed.confidences,
        )


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """Find the files of results in outboxes, and keep those that are named.

    Args:
        paths: Outboxes and files of results.

    Returns:
        Each file once, in the order of the paths.

    Raises:
        InputError: A path does not exist, or an outbox has no results.
        LedgerError: The ledger of an outbox is damaged.
    """
    sources: list[Path] = []
    for path in paths:
        if os.path.isdir(path):
            in_outbox = published_files.find(path)
            if not in_outbox:
                raise InputError(f"no results in {path}: make some with digitbox run, or name their folder")
            sources += in_outbox
        elif os.path.exists(path):
            sources.append(path)
        else:
            raise InputError(f"no such file or folder: {path}; name an outbox or a file of results")
    return published_files.once(sources)


def check_one_folder(paths: Sequence[Path]) -> None:
    """Check that files of results lie in one folder, since corrections apply to one outbox.

    Raises:
        ConfigError: They lie in several.
    """
    folders = sorted({str(path.parent) for path in paths})
    if len({os.path.realpath(folder) for folder in folders}) > 1:
        raise ConfigError(f"results of {' and '.join(folders)}: name those of one folder, to correct them")


def collect(paths: Sequence[Path], max_ok_rows: int = MAX_OK_ROWS) -> ReportRows:
    """Read files of results.

    If digitbox read a scan several times, the last row counts.

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
    has_old_files = any("source" not in reader.columns(path) for path in paths)
    superseded: set[bytes] = set()
    ok_count = 0
    with ExitStack() as stack:
        folders: dict[Path, ResultsFolder] = {}
        scan_names: dict[Path, ScanNames] = {}
        for path in reversed(paths):  # so that the last row of a scan comes first
            if path.parent not in folders:
                folders[path.parent] = stack.enter_context(closing(ResultsFolder(path.parent)))
                scan_names[path.parent] = folders[path.parent].scan_names()
            for entry in folders[path.parent].read(path, scan_names[path.parent]):
                row = entry.row
                scan = row.file, row.source, row.page, row.sha256
                key = scan_key(*scan)
                if key in superseded:
                    report_rows.read_again += 1
                    continue
                superseded.update(
                    superseded_keys(*scan, has_old_files=has_old_files, scan_names=scan_names[path.parent])
                )
                report_rows.add_counts(entry)
                if not entry.doubtful and (ok_count := ok_count + 1) > max_ok_rows:
                    report_rows.left_out[key] = entry.counted
                else:
                    report_rows.entries.append(entry)
    report_rows.entries.sort(key=_review_order)
    return report_rows


def _review_order(entry: Entry) -> tuple[int, float]:
    status = entry.row.status if entry.doubtful else Status.OK
    return _REVIEW_ORDER[status], entry.row.confidence or 0.0


class ResultsFolder:
    """A folder of results with its ledger and its corrections, if it has them.

    Args:
        folder: The folder, which may be an outbox.
        corrections: Its corrections; None to load them.

    Raises:
        LedgerError: The ledger or the file of corrections is damaged.
        OutboxError: One of them cannot be read.
    """

    def __init__(self, folder: Path, corrections: Corrections | None = None) -> None:
        self._folder = folder
        self._corrections = load(folder) if corrections is None else corrections
        self._ledger = Ledger(folder / STATE, read_only=True) if has_tables(folder / STATE) else None

    def published(self, paths: Sequence[Path]) -> Sequence[Path]:
        """Return those files of this folder that digitbox published, in that order, as far as known."""
        return paths if self._ledger is None else published_files.in_order(self._ledger, paths)

    def scan_names(self) -> ScanNames:
        """Return the names of scans that have had several, as far as that is known."""
        return renamed.load(self._ledger)

    def read(self, path: Path, scan_names: ScanNames) -> Iterator[Entry]:
        """Yield the rows of a file of results in this folder.

        Args:
            path: The file.
            scan_names: What `scan_names` returned, once for many files.

        Raises:
            InputError: The file cannot be read.
        """
        by_id: dict[str, BatchScans] = {}
        for row in reader.read(path):
            if row.batch not in by_id:
                by_id[row.batch] = BatchScans(self._ledger, row.batch, self._folder, scan_names)
            paths = by_id[row.batch].paths(row.file, row.sha256, row.source, row.page)
            yield Entry(row, paths, self._corrections.of_row(row))

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()


class BatchScans:
    """The places of one batch's scans; without a ledger, the scans are expected near the results.

    Args:
        ledger: The ledger of the outbox; None if it has none.
        batch_id: The batch.
        folder: The folder of the results.
        scan_names: The names of scans that have had several.
    """

    def __init__(self, ledger: Ledger | None, batch_id: str, folder: Path, scan_names: ScanNames) -> None:
        self._folder, self._scan_names = folder, scan_names
        self._paths: defaultdict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
        batch = None if ledger is None else batches.find_published(ledger, batch_id)
        if ledger is None or batch is None:
            return
        for outcome in batches.members(ledger, batch_id):
            key = text_cell(outcome.ref.name), outcome.sha256
            moved = map(str, disposal.moved_paths(outcome, batch, folder))
            self._paths[key].append((outcome.ref.path, *moved))
        for same_scans in self._paths.values():
            same_scans.reverse()  # `paths` takes them from the end

    def paths(self, file: str, sha256: str, source: str, page: int | None) -> tuple[str, ...]:
        """Return where the scan of a row may lie.

        Args:
            file: The name of the scan in the results.
            sha256: Its digest.
            source: Its source; empty if the results do not have it.
            page: The page; None for a file with one.
        """
        same_scans = self._paths.get((file, sha256))
        if same_scans:  # all pages of a file have its paths
            return same_scans.pop() if page is None else same_scans[-1]
        names = self._scan_names.get((source, file, sha256), (file,))  # `retry` may have given it another
        in_source = (f"{source}/{name}" for name in names if source)
        return (*in_source, str(self._folder / file), file)
