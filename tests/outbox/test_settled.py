"""Settled scans: which rows of the ledger are of the same one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch.outbox import batches, corrections, settled
from batch.outbox.batches import Batch, State
from batch.outbox.ledger import Ledger
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.results.corrected import Correction, Corrections


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path)) as ledger:
        yield ledger


def outcome(number: int, status: Status = Status.OK, sha256: str = "", mtime_ns: int = 1) -> Outcome:
    ref = ScanRef(f"/{number}.png", f"{number}.png", 1, mtime_ns, 1)
    return Outcome(ref, status, None if status is Status.OK else Reason.UNREADABLE, sha256)


def add(ledger: Ledger, number: int, *outcomes: Outcome) -> None:
    batches.add_members(ledger, str(number), outcomes)
    batches.prepare(ledger, Batch(str(number), f"{number}.csv", "", After.LEAVE, State.DISPOSED))


def test_the_last_row_of_a_scan_counts(ledger: Ledger) -> None:
    add(ledger, 0, outcome(1, Status.FAILED), outcome(2, Status.FAILED), outcome(3))
    add(ledger, 1, outcome(1, sha256="a"))
    add(ledger, 2, outcome(3, mtime_ns=2))
    assert settled.count_by_status(ledger) == {Status.OK: 3, Status.FAILED: 1}


def test_scans_of_equal_size_and_time_are_told_by_content(ledger: Ledger) -> None:
    """A scan took the place of one that a person answers afterwards."""
    add(ledger, 0, outcome(1, Status.REVIEW, "a"))
    add(ledger, 1, outcome(1, sha256="b"))
    assert settled.count_by_status(ledger) == {Status.OK: 1, Status.REVIEW: 1}
    answer = Correction(
        file="1.png",
        sha256="a",
        said="",
        corrected="7",
        corrected_by="Anna",
        reviewed_at="",
        applied_at="",
    )
    counts = corrections.count_by_status(ledger, Corrections([answer]))
    assert {status: count for status, count in counts.items() if count} == {Status.OK: 2}
    numbers = [scan.outcome.sha256 for scan in settled.settled_scans(ledger) if scan.is_last]
    assert numbers == ["a", "b"]
