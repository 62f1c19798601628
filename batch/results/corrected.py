"""What people say of scans, and rows of results with that applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch.lengths import NUMBER
from batch.records import Reason, Status
from batch.results.schema import NUMBER_COLUMN, Record
from batch.text import inner_text_cell

if TYPE_CHECKING:
    from batch.results.reader import Row

NONE = "none"
"""As an answer: the scan is not a digit."""
OPEN = "open"
"""As an answer: nobody can say; it withdraws an earlier answer."""
LABELS = frozenset({*map(str, range(10)), NONE, OPEN})
"""The answers for a single digit."""
CORRECTED, COMMENT = "corrected", "comment"
EFFECTIVE_COLUMNS = (CORRECTED, COMMENT)
"""The last columns of corrected results: what the model had said of a row that a person answered, and what
else that person says.
"""

OF_DIGITS = frozenset({Reason.SEVERAL_DIGITS, Reason.NOT_A_DIGIT})
"""The reasons that only scans of single digits have."""
OF_NUMBERS = frozenset({Reason.WRONG_LENGTH, Reason.NOT_A_NUMBER})
"""The reasons that only scans of numbers have."""
_ScanKey = tuple[str, int | None, str]  # file, page and SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a person said of a scan. Source, file, page and content tell which scan that is.

    Attributes:
        file: The name in the results, escaped as it is there.
        sha256: The digest of the bytes that were read.
        page: The page of the file; None for a file with one.
        source: The source in the results; empty if they have none, as those of older versions.
        said: What the model had said: 0 to 9, a number, or the reason why it gave none.
        corrected: What the person says: one of `LABELS`, or a number if the model reads numbers.
        corrected_by: The person.
        reviewed_at: When the person looked at the scan; UTC, ISO 8601.
        applied_at: When digitbox saved the answer; UTC, ISO 8601.
        comment: What else the person says; empty for nothing.
    """

    file: str
    sha256: str
    page: int | None = None
    source: str = ""
    said: str
    corrected: str
    corrected_by: str
    reviewed_at: str
    applied_at: str
    comment: str = ""

    @property
    def has_number(self) -> bool:
        """Return whether it is of a number for sure; one of a single digit does not say."""
        return (
            self.said in OF_NUMBERS or _has_several_digits(self.said) or _has_several_digits(self.corrected)
        )


class Corrections:
    """The last correction of each scan.

    Results of older versions have no source. Their rows and corrections match those of any source, if file,
    page and content are the same.
    """

    def __init__(self, corrections: Iterable[Correction] = ()) -> None:
        # By source, the last correction at the end.
        self._by_scan: defaultdict[_ScanKey, dict[str, Correction]] = defaultdict(dict)
        self._pages: defaultdict[str, set[tuple[str, int | None]]] = defaultdict(set)  # by SHA-256
        self._numbers: set[_ScanKey] = set()
        for correction in corrections:
            self.add(correction)

    def add(self, correction: Correction) -> None:
        """Take one more correction, which replaces an earlier one of its scan."""
        self._pages[correction.sha256].add((correction.file, correction.page))
        key = correction.file, correction.page, correction.sha256
        scan = self._by_scan[key]
        scan.pop(correction.source, None)
        scan[correction.source] = correction
        if correction.has_number:
            self._numbers.add(key)

    def find(self, file: str, page: int | None, sha256: str, source: str) -> Correction | None:
        """Return the last correction of a scan, which may leave it open; None if there is none."""
        if sha256 not in self._pages:  # so it is for most rows
            return None
        scan = self._by_scan.get((file, page, sha256), {})
        found = (scan[name] for name in reversed(scan) if not source or name in (source, ""))
        return next(found, None)

    def of_row(self, row: Row) -> Correction | None:
        """Return the last correction of the scan of a row; see `find`."""
        return self.find(row.file, row.page, row.sha256, row.source)

    def takes_number(self, row: Row) -> bool:
        """Return whether a person may say a number: in results with numbers, or if the scan ever was one.

        A number stays if digitbox later reads the scan as a digit, and undo may bring it back.
        """
        return row.has_number or (row.file, row.page, row.sha256) in self._numbers

    def pages(self, file: str, sha256: str) -> list[int]:
        """Return the pages of a file that have a correction."""
        return [page for name, page in self._pages.get(sha256, ()) if name == file and page is not None]

    def apply(self, record: Record) -> Record:
        """Return a row of results with its correction, and with the columns `EFFECTIVE_COLUMNS`.

        A corrected row is `ok`, without reason and confidences; `effect` says what else it may be. The
        prediction is a text in results with numbers, and if it has several digits; see `has_numbers`.
        """
        sha256, source = record["sha256"] or "", record.get("source") or ""
        correction = self.find(record["file"], record.get("page"), sha256, source)
        if correction is None:
            return {**record, CORRECTED: record.get(CORRECTED), COMMENT: record.get(COMMENT)}
        label, comment = correction.corrected, inner_text_cell(correction.comment) or None
        if label == OPEN:
            return {**record, CORRECTED: record.get(CORRECTED), COMMENT: comment}
        with_numbers = NUMBER_COLUMN in record
        status, reason = effect(label, with_numbers=with_numbers)
        said = record["reason"] or record["status"]
        is_text = with_numbers or _has_several_digits(label)
        emptied = {NUMBER_COLUMN: None} if with_numbers else {}
        return {
            **record,
            **emptied,
            "prediction": None if reason is not None else label if is_text else int(label),
            "confidence": None,
            "status": status.value,
            "reason": None if reason is None else reason.value,
            CORRECTED: said if record["prediction"] is None else str(record["prediction"]),
            COMMENT: comment,
        }

    @property
    def has_numbers(self) -> bool:
        """Return whether an answer has several digits: a table with it needs the column of numbers."""
        return any(_has_several_digits(correction.corrected) for correction in self)

    @property
    def digests(self) -> frozenset[str]:
        """Return the SHA-256 of all scans that have a correction."""
        return frozenset(self._pages)

    def __iter__(self) -> Iterator[Correction]:
        """Yield the last correction of each scan."""
        for scan in self._by_scan.values():
            yield from scan.values()


def _has_several_digits(label: str) -> bool:
    """Return whether a label or a prediction is a number of several digits."""
    return len(label) > 1 and label.isdigit()


def is_label(label: str, *, with_numbers: bool) -> bool:
    """Return whether a person may say this of a row.

    Args:
        label: What the person says.
        with_numbers: True for a row of results with numbers.
    """
    return label in LABELS or (with_numbers and NUMBER.fullmatch(label) is not None)


def effect(label: str, *, with_numbers: bool) -> tuple[Status, Reason | None]:
    """Return status and reason of a scan that a person answered.

    digitbox may read a scan first as a number, and later as a single digit. The person's number stays.

    Args:
        label: A digit, a number or `NONE`.
        with_numbers: True for a row of results with numbers.
    """
    if label == NONE:
        return Status.REFUSED, Reason.NOT_A_NUMBER if with_numbers else Reason.NOT_A_DIGIT
    return Status.OK, None
