"""Scans that have their row, made new: to be read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batch.locations import Location, is_remote
from batch.outbox import disposal, settled
from batch.outbox.settled import Settled
from batch.records import Reason, Status

CHUNK_SCANS = 1000  # scans that are forgotten with one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFilter:
    """Which scans are meant; what is empty or None does not matter.

    Attributes:
        paths: where scans were read, or lie now, or folders of these; real paths.
        statuses: that their last row has.
        reasons: that it gives.
        since: stamp of the time from which on their batch began.
        until: stamp of the time before which it began.
    """

    paths: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    reasons: tuple[Reason, ...] = ()
    since: str = ""
    until: str = ""

    def has(self, scan: Settled) -> bool:
        """Whether a scan is meant, as far as its row tells."""
        began, outcome = settled.stamp(scan.batch), scan.outcome
        return (
            (not self.statuses or outcome.status in self.statuses)
            and (not self.reasons or outcome.reason in self.reasons)
            and self.since <= began
            and (not self.until or began < self.until)
        )

    def is_at(self, *places: str) -> bool:
        """Whether a scan of these places is meant."""
        return not self.paths or any(
            f"{place}/".startswith(path.rstrip("/") + "/") for path in self.paths for place in places
        )


@dataclass(slots=True)
class RetryResult:
    """What `retry` did: how many scans, and what kept others where they are."""

    in_place: int = 0
    brought_back: int = 0
    gone: int = 0
    problems: list[OSError] = field(default_factory=list)


def retry_scans(
    outbox: Location, choice: ScanFilter, show: Callable[[str], object] | None = None
) -> RetryResult:
    """Makes scans that have their row new, so that they are read again.

    Those that were moved go back to where they were read; those that are gone stay as they are. Killed at
    any time, it can be done again.

    Args:
        outbox: with a ledger.
        choice: of the scans.
        show: is shown each scan that would be new; then nothing is changed.

    Raises:
        RunError: as of `archive.opened`.
    """
    done = RetryResult()
    with settled.open_ledger(outbox, read_only=show is not None) as past:
        waiting: list[Settled] = []
        for scan in filter(choice.has, past.settled()):
            ref = scan.outcome.ref
            place = disposal.find_scan(scan.outcome, scan.batch, outbox)
            if not choice.is_at(ref.path, real_path(place or ref.path)):
                continue
            if place is None:
                done.gone += 1
                continue
            is_in_place = place == ref.path
            if show is not None:
                show(place)
            elif not is_in_place:
                assert isinstance(outbox, Path)  # objects are left where they are
                try:
                    disposal.restore(Path(place), scan.outcome, outbox)
                except OSError as error:
                    done.problems.append(error)
                    continue
            done.in_place += is_in_place
            done.brought_back += not is_in_place
            waiting.append(scan)
            if len(waiting) >= CHUNK_SCANS and show is None:
                past.forget_scans(waiting)
                waiting.clear()
        if show is None:
            past.forget_scans(waiting)
    return done


def real_path(path: str) -> str:
    """Return a path without links; an address as it is."""
    return path if is_remote(path) else os.path.realpath(path)
