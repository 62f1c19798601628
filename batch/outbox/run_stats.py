"""The figures of a run: what it has done so far."""

from __future__ import annotations

import operator
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from batch.clock import iso, utc_now
from batch.errors import exit_code_of
from batch.records import Outcome, RunSummary

MAX_INPUTS = 100  # that an entry of the history keeps; of a run with more inputs, it keeps none


class RunStats:
    """The figures of a run; rows count when their batch is in the ledger, so that none counts twice.

    Attributes:
        seen: The number of files that the run found to read.
        settled: The number of scans that it left out because they have their row.
        skipped: The number of other files that it met.
        unfinished: The number of scans that it left because somebody may still write to them.
        unfinished_s: The seconds for which those must not change.
        model: The version of the model.
        drift: By status, how much more of it there is than in the runs before.
        exit_code: The exit code; None until the run has ended.
        results: The files of results, with those that an earlier process left unfinished; an address is text.
        not_disposed: Why digitbox could not move or delete scans; empty if it could.
        extra: The extra of digitbox that some scans need and that is not installed; empty for none.

    Args:
        command: One of `run` and `watch`.
        inputs: The absolute paths and globs of the inputs.
        recursive: Whether the run searches folders to the bottom.
        ignore: Patterns of the names that it passes over.
        clock: Returns seconds that only go forward.
    """

    def __init__(
        self,
        command: str,
        inputs: Sequence[str] = (),
        *,
        recursive: bool = True,
        ignore: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seen = self.settled = self.skipped = self.unfinished = 0
        self.unfinished_s = 0.0
        self.model = ""
        self.drift: Mapping[str, Mapping[str, float]] = {}
        self.exit_code: int | None = None
        self.results: Sequence[Path | str] = ()
        self.not_disposed = self.extra = ""
        self._command, self._clock = command, clock
        self._inputs = tuple(inputs) if len(inputs) <= MAX_INPUTS else ()
        self._recursive, self._ignore = recursive, tuple(ignore)
        self._run = secrets.token_hex(6)
        self._began, self._started_at = clock(), iso(utc_now())
        self._finished_at: str | None = None
        self._took_s = 0.0
        self._error = ""
        self._published, self._staged, self._told = _Tally(), _Tally(), _Tally()

    @property
    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return self._clock() - self._began

    def stage(self, outcomes: Sequence[Outcome]) -> None:
        """Count rows, at least one, of a batch that is not in the ledger yet."""
        self._staged.batches = 1
        for outcome in outcomes:
            self._staged.add(outcome)
            self.extra = outcome.extra or self.extra

    def publish(self) -> None:
        """Add the staged rows to the published ones: their batch is in the ledger."""
        self._published += self._staged
        self._staged = _Tally()

    def drop(self) -> None:
        """Drop the staged rows: their batch will never be in the ledger."""
        self._staged = _Tally()

    def end(self, exit_code: int, error: str = "") -> None:
        """Set how and when the run ended."""
        if self._finished_at is None:
            self._finished_at, self._took_s = iso(utc_now()), self.seconds
        self.exit_code, self._error = int(exit_code), error

    def end_by(self, error: BaseException) -> None:
        """Set that an exception ended the run; its message becomes the error."""
        if isinstance(error, KeyboardInterrupt):
            text = "stopped by Ctrl-C"
        elif isinstance(error, SystemExit):
            text = "stopped by SIGTERM or SIGHUP"
        else:
            text = str(error) or repr(error)
        self.end(exit_code_of(error), text)

    def resume(self) -> None:
        """Set that the run goes on: a watcher only waited for its outbox."""
        self.exit_code, self._error, self._finished_at = None, "", None

    def summary(self, *, with_staged: bool = False) -> RunSummary:
        """Return the summary of the run.

        Args:
            with_staged: Count the staged rows too, for the commit that makes their batch part of the ledger.
        """
        return self._summary_of(self._published + self._staged if with_staged else self._published)

    def news(self) -> RunSummary:
        """Return the summary of the rows that were published since the last call."""
        untold, self._told = self._published - self._told, self._published
        return self._summary_of(untold)

    def _summary_of(self, tally: _Tally) -> RunSummary:
        return RunSummary(
            run=self._run,
            command=self._command,
            pid=os.getpid(),
            started_at=self._started_at,
            finished_at=self._finished_at,
            exit_code=self.exit_code,
            error=self._error,
            seconds=round(self.seconds if self._finished_at is None else self._took_s, 3),
            model=self.model,
            scans=tally.files,
            counts=dict(tally.counts),
            reasons=dict(tally.reasons),
            left=max(0, self.seen - tally.files),
            skipped=self.skipped,
            settled=self.settled,
            batches=tally.batches,
            mean_confidence=(
                round(tally.confidence_sum / tally.confidence_count, 6) if tally.confidence_count else None
            ),
            drift=self.drift,
            inputs=self._inputs,
            recursive=self._recursive,
            ignore=self._ignore,
        )


@dataclass(slots=True)
class _Tally:
    """Sums over outcomes."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    confidence_sum: float = 0.0
    confidence_count: int = 0
    batches: int = 0
    files: int = 0

    def __add__(self, other: _Tally) -> _Tally:
        return self._combine(operator.add, other)

    def __sub__(self, other: _Tally) -> _Tally:
        return self._combine(operator.sub, other)

    def _combine(self, combine: Callable[[Any, Any], Any], other: _Tally) -> _Tally:
        names = (declared.name for declared in fields(self))
        return _Tally(*(combine(getattr(self, name), getattr(other, name)) for name in names))

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.status.value] += 1
        self.files += outcome.is_last_page
        if outcome.reason is not None:
            self.reasons[outcome.reason.value] += 1
        if outcome.confidence is not None:
            self.confidence_sum += outcome.confidence
            self.confidence_count += 1
