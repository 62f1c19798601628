"""The way back from settled to new: scans that the next run reads again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batch.locations import Location, is_remote, state_folder
from batch.outbox import renamed, restoration, settled, turns
from batch.outbox.corrections import carry_over, correct_results, load
from batch.outbox.ledger import Ledger, open_ledger
from batch.outbox.settled import Settled
from batch.records import Outcome, Reason, Status
from batch.results.corrected import Corrections


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFilter:
    """A choice of scans; an empty attribute takes all.

    Attributes:
        paths: Real paths where scans were read or lie now, or folders above them.
        statuses: Statuses that their last row may have; an answer of a person goes before the row.
        reasons: Reasons that their last row may give; the same.
        since: The stamp at which their batch began, or an earlier one.
        until: A stamp before which their batch began.
    """

    paths: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    reasons: tuple[Reason, ...] = ()
    since: str = ""
    until: str = ""

    def has(self, scan: Settled, corrections: Corrections) -> bool:
        """Return whether the filter takes a scan, by its row or one of its pages.

        What a person said goes before the row.
        """
        began = scan.batch.stamp
        return (
            any(
                (not self.statuses or status in self.statuses)
                and (not self.reasons or reason in self.reasons)
                for status, reason in correct_results(scan.outcome, scan.pages, corrections)
            )
            and self.since <= began
            and (not self.until or began < self.until)
        )

    def is_at(self, *places: str) -> bool:
        """Return whether the filter takes a scan that has been in one of these places."""
        return not self.paths or any(
            f"{place}/".startswith(path.rstrip("/") + "/") for path in self.paths for place in places
        )


@dataclass(slots=True)
class RetryResult:
    """What `retry` did, or would do.

    Attributes:
        in_place: The number of scans that are new and lay where they were read.
        brought_back: The number of scans that are new and went back to where they were read.
        gone: The number of scans that are gone, or have changed since.
        problems: An error for each scan that could not go back.
    """

    in_place: int = 0
    brought_back: int = 0
    gone: int = 0
    problems: list[OSError] = field(default_factory=list)


def retry_scans(
    outbox: Location, choice: ScanFilter, show: Callable[[str], object] | None = None
) -> RetryResult:
    """Make settled scans new, so that the next run reads them again.

    Moved scans go back to where they were read; scans that are gone keep their row. After a kill, another
    call finishes the work. A watcher may be at work meanwhile, since both take turns.

    Args:
        outbox: An outbox with a ledger.
        choice: The choice of scans.
        show: Receives the path of each scan that would be new; the call changes nothing then.

    Raises:
        RunError: `open_ledger` fails.
    """
    result = RetryResult()
    with open_ledger(outbox, read_only=show is not None) as ledger:
        steps = _retry(ledger, outbox, choice, result, show)
        turns.take_turns(state_folder(outbox) if show is None else None, steps)
    return result


def _retry(
    ledger: Ledger,
    outbox: Location,
    choice: ScanFilter,
    result: RetryResult,
    show: Callable[[str], object] | None,
) -> Iterator[None]:
    """Do the work of `retry_scans`, and yield after each step."""
    corrections = load(outbox)
    # A scan that goes back and comes again to done/ must not go back once more.
    ((end,),) = ledger.execute("SELECT IFNULL(max(rowid), 0) FROM members")
    for portion in settled.in_turns(settled.settled_scans(ledger, with_moved=True)):
        chunk: list[Settled] = []
        moved: list[tuple[Outcome, Path]] = []
        for scan in portion:
            if scan.number > end or not choice.has(scan, corrections):
                continue
            ref = scan.outcome.ref
            place = restoration.find_scan(scan.outcome, scan.batch, outbox)
            if not choice.is_at(ref.path, real_path(place or ref.path)):
                continue
            if place is None:
                result.gone += scan.is_last
                continue
            target, first_target = Path(place), Path(ref.path)
            is_in_place = target.parent == first_target.parent
            if show is not None:
                show(place)
            elif not is_in_place:
                assert isinstance(outbox, Path)  # digitbox never moves objects
                try:
                    target = restoration.restore(target, scan.outcome, scan.batch, outbox)
                except OSError as error:
                    result.problems.append(error)
                    continue
            if target != first_target:
                moved.append((scan.outcome, target))
            result.in_place += is_in_place
            result.brought_back += not is_in_place
            chunk.append(scan)
        if show is None and chunk:
            with ledger.transaction():
                carry_over(outbox, renamed.note(ledger, moved))
                settled.forget_scans(ledger, chunk)
        yield


def real_path(path: str) -> str:
    """Return a path without links; an address as it is."""
    return path if is_remote(path) else os.path.realpath(path)
