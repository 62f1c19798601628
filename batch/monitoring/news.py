"""The news of a watcher: each batch that it publishes, each pause, and a sign of life in between."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from batch.clock import iso, utc_now
from batch.config import NotifyOptions
from batch.errors import ExitCode, OutboxError
from batch.locations import Location
from batch.monitoring import hooks, notify, ping
from batch.outbox.run_stats import RunStats
from batch.records import RunSummary, Status
from batch.terminal.log import Repeated, event

_log = logging.getLogger(__name__)

INTERVAL_S = 60.0  # between two signs of life: monitors count in minutes
END_S = hooks.TIMEOUT_S + 2 * ping.TIMEOUT_S  # that a watcher waits at its end for its last news
MAX_WAITING = 1000  # notifications that wait for a slow program; digitbox drops later ones, with a warning


@dataclass(slots=True)
class State:
    """The facts of a watcher that change from moment to moment.

    Attributes:
        is_watching: Whether the start has succeeded.
        backlog: Number of files that wait or are ready.
        ready_since: Time when the oldest ready scan became whole, by the watcher's clock; inf if none is.
        pauses: Number of pauses so far.
        problem: Reason of the present pause; empty if there is none.
        unnoted: Entries of starts of this watcher that ended while the ledger could not be written.
    """

    is_watching: bool = False
    backlog: int = 0
    ready_since: float = math.inf
    pauses: int = 0
    problem: str = ""
    unnoted: list[RunSummary] = field(default_factory=list)


class News:
    """The notifications of a watcher.

    A thread sends them, in order, so that a slow program or monitor holds up no scan.

    Attributes:
        state: The state of the watcher.
        stats: Its figures.

    Args:
        stats: Statistics of the watcher.
        state: The state that the watcher sets.
        notifications: The files, commands and address to notify.
        outbox: Outbox of the watcher.
        print_line: Receives a line for stdout: the path of a file of results, or a summary.
        observe: Receives the seconds from the first whole scan of each batch to its rows; None for nobody.
        clock: Returns seconds that only go forward.
    """

    def __init__(
        self,
        stats: RunStats,
        state: State,
        notifications: NotifyOptions,
        outbox: Location,
        print_line: Callable[[str], object],
        observe: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state, self.stats = state, stats
        self._options, self._outbox = notifications, outbox
        self._print_line, self._observe, self._clock = print_line, observe, clock
        self._next_sign = -math.inf
        self._success_at: str | None = None
        self._overflow = Repeated(_log, "notify")
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._work, name="digitbox-news", daemon=True)

    def __enter__(self) -> News:
        """Return this object; the thread starts with the first news, since workers fork before that."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send the news of an error that ends the watcher, then wait until all news is sent."""
        if isinstance(error, Exception):
            self.stats.end_by(error)
            run = self.stats.summary()
            self._plan(lambda: self._send(run, ()))
        if self._thread.ident is None:
            return
        with suppress(queue.Full):
            end = time.monotonic() + END_S
            self._tasks.put(None, timeout=END_S)
            self._thread.join(max(0.0, end - time.monotonic()))

    def published(self, results: Sequence[Path], seconds: float, latency_s: float) -> None:
        """Tell of a batch that the watcher has published.

        Args:
            results: Its files of results; the batch has no news without one.
            seconds: Seconds since the watcher began to read it.
            latency_s: Seconds since its first scan became whole.
        """
        if not results:
            return
        if self._options.summary != notify.STDOUT:
            for path in results:
                self._print_line(str(path))
        batch, end = self.stats.news(), utc_now()
        if self._observe is not None:
            self._observe(latency_s)
        batch = replace(
            batch,
            started_at=iso(end - timedelta(seconds=seconds)),
            finished_at=iso(end),
            exit_code=int(ExitCode.SOME_FAILED if batch.counts.get(Status.FAILED) else ExitCode.OK),
            seconds=round(seconds, 3),
        )
        self._plan(lambda: self._send(batch, results))
        self._next_sign = -math.inf

    def sign(self) -> None:
        """Send a sign of life if one is due: the metrics file and a ping."""
        now = self._clock()
        if now < self._next_sign:
            return
        self._next_sign = now + INTERVAL_S
        run = self._run_so_far()
        if not self.state.problem:
            self._success_at = run.finished_at
        success_at = self._success_at
        self._plan(lambda: self._send_sign(run, success_at))

    def pause(self, problem: str) -> None:
        """Tell that the watcher pauses, or that it still does.

        Args:
            problem: The reason.
        """
        is_new, self.state.problem = not self.state.problem, problem
        if is_new:
            self.state.pauses += 1
            self._next_sign = -math.inf
            run = self._run_so_far()
            self._plan(lambda: notify.call_hooks(run, (), self._options, self._outbox))
        self.sign()

    def resume(self) -> None:
        """Tell that a pause is over."""
        self.state.problem = ""
        self._next_sign = -math.inf
        self.sign()

    def _run_so_far(self) -> RunSummary:
        """Return the summary of the watcher as if it ended now: well, or with the reason of its pause."""
        problem = self.state.problem
        exit_code = int(ExitCode.OUTBOX if problem else ExitCode.OK)
        return replace(self.stats.summary(), finished_at=iso(utc_now()), exit_code=exit_code, error=problem)

    def _plan(self, task: Callable[[], None]) -> None:
        if self._options == NotifyOptions():
            return
        if self._thread.ident is None:
            self._thread.start()
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            self._overflow.warn("notifications take too long, and digitbox leaves some out: see its commands")
        else:
            self._overflow.warn("")

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _send(self, run: RunSummary, results: Sequence[Path]) -> None:
        if self._options.summary is not None:
            try:
                notify.write_summary(run, results, self._options.summary, self._print_line)
            except OutboxError as error:
                _log.warning(str(error), extra=event("notify"))
        notify.call_hooks(run, results, self._options, self._outbox)
        if self._options.ping is not None and run.exit_code not in notify.COMPLETE:
            notify.send_ping(self._options.ping, failed=True)

    def _send_sign(self, run: RunSummary, success_at: str | None) -> None:
        if self._options.metrics_file is not None:
            notify.write_metrics(run, self._options.metrics_file, self._outbox, success_at)
        if self._options.ping is not None:
            notify.send_ping(self._options.ping, failed=bool(run.error))
