"""What people say of scans, and rows of results with that applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from batch.records import Reason, Status
from batch.results.schema import Record

NONE = "none"
"""As an answer: the scan is not a digit."""
OPEN = "open"
"""As an answer: nobody can say; it withdraws an earlier answer."""
LABELS = frozenset({*map(str, range(10)), NONE, OPEN})
CORRECTED = "corrected"
"""The last column of corrected results: what the model had said of a row that a person answered."""

_ScanKey = tuple[str, int | None, str]  # file, page and SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a person said of a scan. Source, file, page and content tell which scan that is.

    Attributes:
        file: The name in the results, escaped as it is there.
        sha256: The digest of the bytes that were read.
        page: The page of the file; None for a file with one.
        source: The source in the results; empty if they have none, as those of older versions.
        said: What the model had said: 0 to 9, or the reason why it gave no digit.
        corrected: What the person says, one of `LABELS`.
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


class Corrections:
    """The last correction of each scan.

    Results of older versions have no source. Their rows and corrections match those of any source, if file,
    page and content are the same.
    """

    def __init__(self, corrections: Iterable[Correction] = ()) -> None:
        self._by_scan: defaultdict[_ScanKey, dict[str, tuple[int, Correction]]] = defaultdict(dict)
        self._digests: set[str] = set()
        self._number = 0
        for correction in corrections:
            self.add(correction)

    def add(self, correction: Correction) -> None:
        """Take one more correction, which replaces an earlier one of its scan."""
        self._number += 1
        self._digests.add(correction.sha256)
        scan = self._by_scan[correction.file, correction.page, correction.sha256]
        scan[correction.source] = self._number, correction

    def find(self, file: str, page: int | None, sha256: str, source: str) -> Correction | None:
        """Return the last correction of a scan, which may leave it open; None if there is none."""
        if sha256 not in self._digests:  # so it is for most rows
            return None
        scan = self._by_scan.get((file, page, sha256), {})
        sources = (source, "") if source else scan
        found = [scan[name] for name in sources if name in scan]
        return max(found, key=lambda item: item[0])[1] if found else None

    def answer(self, file: str, page: int | None, sha256: str, source: str) -> str:
        """Return what a scan is, 0 to 9 or `NONE`; empty if nobody says."""
        correction = self.find(file, page, sha256, source)
        return "" if correction is None or correction.corrected == OPEN else correction.corrected

    def apply(self, record: Record) -> Record:
        """Return a row of results with its correction, and with the column `CORRECTED`.

        A corrected row is `ok`, without reason and confidence. If the person saw no digit, it is refused as
        `not_a_digit`.
        """
        sha256, source = record["sha256"] or "", record.get("source") or ""
        label = self.answer(record["file"], record.get("page"), sha256, source)
        if not label:
            return {**record, CORRECTED: None}
        status, reason = effect(label)
        said = record["reason"] or record["status"]
        return {
            **record,
            "prediction": None if label == NONE else int(label),
            "confidence": None,
            "status": status.value,
            "reason": None if reason is None else reason.value,
            CORRECTED: said if record["prediction"] is None else str(record["prediction"]),
        }

    @property
    def digests(self) -> frozenset[str]:
        """Return the SHA-256 of all scans that have a correction."""
        return frozenset(self._digests)

    def __iter__(self) -> Iterator[Correction]:
        """Yield the last correction of each scan."""
        for scan in self._by_scan.values():
            yield from (correction for _, correction in scan.values())


def effect(label: str) -> tuple[Status, Reason | None]:
    """Return status and reason of a scan that a person answered with a digit or with `NONE`."""
    return (Status.REFUSED, Reason.NOT_A_DIGIT) if label == NONE else (Status.OK, None)
