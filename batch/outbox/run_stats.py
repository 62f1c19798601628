"""The account of a run: what it has done so far."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from batch.clock import iso, utc_now
from batch.errors import exit_code_of
from batch.records import Outcome, RunSummary

MAX_INPUTS = 100  # to keep with each entry of the history


class RunStats:
    """Counts what a run does; rows count when their batch is in the ledger, so that none counts twice.

    Attributes:
        seen: scans found to be read.
        settled: scans left out because they have had their row.
        skipped: other files met.
        model: version of the model.
        drift: by status, how much more of it there is than in the runs before.
        exit_code: None until the run has ended.
        results: files of results, with those that an earlier process had left unfinished; an address is text.
        not_retired: why scans could not be moved or deleted; empty when all could.

    Args:
        command: `run` or `watch`.
        inputs: absolute paths and globs of what is read; very many are not kept.
        recursive: whether folders are searched to the bottom.
        ignore: patterns of names to pass over.
        clock: seconds, only forward.
        now: the time of day, UTC.
    """

    def __init__(
        self,
        command: str,
        inputs: Sequence[str] = (),
        *,
        recursive: bool = True,
        ignore: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.seen = self.settled = self.skipped = 0
        self.model = ""
        self.drift: Mapping[str, Mapping[str, float]] = {}
        self.exit_code: int | None = None
        self.results: Sequence[Path | str] = ()
        self.not_retired = ""
        self._command, self._clock, self._now = command, clock, now
        self._inputs = tuple(inputs) if len(inputs) <= MAX_INPUTS else ()
        self._recursive, self._ignore = recursive, tuple(ignore)
        self._run = secrets.token_hex(6)
        self._began, self._started_at = clock(), iso(now())
        self._finished_at: str | None = None
        self._took_s = 0.0
        self._error = ""
        self._published, self._staged = _Tally(), _Tally()

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self._clock() - self._began

    def stage(self, outcomes: Sequence[Outcome]) -> None:
        """Counts rows of a batch that is not in the ledger yet."""
        for outcome in outcomes:
            self._staged.add(outcome)

    def publish(self) -> None:
        """The batch is in the ledger."""
        self._published = self._with_staged()
        self._staged = _Tally()

    def drop(self) -> None:
        """The batch will never be."""
        self._staged = _Tally()

    def end(self, exit_code: int, error: str = "") -> None:
        """The run has ended."""
        if self._finished_at is None:
            self._finished_at, self._took_s = iso(self._now()), self.seconds
        self.exit_code, self._error = int(exit_code), error

    def end_by(self, error: BaseException) -> None:
        """The run was ended by an exception, whose message becomes the error."""
        if isinstance(error, KeyboardInterrupt):
            text = "stopped by Ctrl-C"
        elif isinstance(error, SystemExit):
            text = "stopped by SIGTERM"
        else:
            text = str(error) or repr(error)
        self.end(exit_code_of(error), text)

    def go_on(self) -> None:
        """It had not ended: a watcher has waited for its outbox."""
        self.exit_code, self._error, self._finished_at = None, "", None

    def summary(self, *, with_staged: bool = False) -> RunSummary:
        """What it comes to.

        Args:
            with_staged: as it will be when the batch is in the ledger.
        """
        tally = self._with_staged() if with_staged else self._published
        rows = tally.counts.total()
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
            counts=dict(tally.counts),
            reasons=dict(tally.reasons),
            left=max(0, self.seen - rows),
            skipped=self.skipped,
            settled=self.settled,
            batches=tally.batches,
            mean_confidence=round(tally.confidence / tally.confident, 6) if tally.confident else None,
            drift=self.drift,
            inputs=self._inputs,
            recursive=self._recursive,
            ignore=self._ignore,
        )

    def _with_staged(self) -> _Tally:
        one, other = self._published, self._staged
        tally = _Tally()
        tally.counts, tally.reasons = one.counts + other.counts, one.reasons + other.reasons
        tally.confidence = one.confidence + other.confidence
        tally.confident = one.confident + other.confident
        tally.batches = one.batches + bool(other.counts)
        return tally


class _Tally:
    """Counts outcomes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.confidence, self.confident = 0.0, 0
        self.batches = 0

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.status.value] += 1
        if outcome.reason is not None:
            self.reasons[outcome.reason.value] += 1
        if outcome.confidence is not None:
            self.confidence += outcome.confidence
            self.confident += 1
