"""The loop of `digitbox watch`: from events and rescans to whole scans, batches and published files."""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from batch.clock import iso, utc_now
from batch.config import WatchOptions
from batch.engines.local import Engine
from batch.errors import BusyError, ExitCode, MeansError, OutboxError, RunError, ShareError
from batch.inference.reader import Reader
from batch.locations import STATE
from batch.monitoring.news import News
from batch.monitoring.summary import describe_extra, log_problems
from batch.outbox import run_history, turns
from batch.outbox.ledger import Ledger
from batch.outbox.publisher import Outbox
from batch.outbox.run_stats import RunStats
from batch.records import Outcome, Reason, Status, by_file
from batch.results import schema
from batch.run import job
from batch.terminal.log import Repeated, event
from batch.text import count_pages
from batch.watcher.arrivals import Arrivals
from batch.watcher.events import Events
from batch.watcher.inbox import InboxMonitor, find_inputs
from batch.watcher.long_scans import LongScans
from batch.watcher.pruning import DailyPruning
from batch.watcher.signals import StopSignal
from batch.watcher.stability import StabilityTracker
from batch.watcher.systemd import MORE_TIME, notify, watchdog_interval_s

_log = logging.getLogger(__name__)

MAX_PAUSE_S = 60.0  # between two attempts to write to the outbox
MAX_SCANS = 10_000  # in a batch; digitbox does nothing else while it reads one
# A watcher that has started waits until they are over.
_PASSING = (OutboxError, BusyError, MeansError, ShareError)


def watch(
    options: WatchOptions,
    reader: Reader,
    stats: RunStats,
    news: News,
    stop: StopSignal,
    *,
    goes_on: bool = False,
) -> None:
    """Read the scans in the inbox, and new ones as they arrive, until a signal says to stop.

    Args:
        options: The options of the watcher.
        reader: Reads the scans.
        stats: Counts the outcomes.
        news: Gets each published batch and each pause.
        stop: The signal to stop, which the caller listens to.
        goes_on: Whether this process has watched the same inbox and outbox just now. Then it waits for them.

    Raises:
        InputError: There is no inbox.
        RunError: The start fails, see `job.run`. Later, the watcher waits for an inbox that is gone, and for
            an outbox that it cannot write to.
    """
    events = Events(Path(os.path.realpath(options.inbox)), options.recursive)
    stop.wake = events.wake
    with ExitStack() as resources:
        schema.check_format(options.format)
        if not goes_on:
            find_inputs(options)  # raises if there is no inbox
        # A scan that kills its reader must not kill the watcher, which would read it again after a new start.
        engine = resources.enter_context(job.new_engine(options, reader, apart=True))
        watcher = Watcher(options, engine, events, news, stop)
        resources.callback(watcher.close)
        watcher.run(lambda: job.new_outbox(options, reader.check(), stats), goes_on=goes_on)


class Watcher:
    """The watcher of an inbox.

    Args:
        options: The options of the watcher.
        engine: The engine that reads scans.
        events: The events of the inbox.
        news: Gets each published batch and each pause.
        stop: The signal to stop.
        clock: A function that returns seconds and only goes forward.
    """

    def __init__(
        self,
        options: WatchOptions,
        engine: Engine,
        events: Events,
        news: News,
        stop: StopSignal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._engine, self._events = options, engine, events
        self._news, self._stop, self._clock = news, stop, clock
        self._inbox = InboxMonitor(options, events)
        self._disposal_warning, self._extra_warning = Repeated(_log, "disposal"), Repeated(_log, "extra")
        self._max_scans = min(options.rows_per_file, MAX_SCANS)
        self._silence_s, self._signed = min(watchdog_interval_s(), turns.SIGN_S), -math.inf
        self._sign_s = min(1.0, self._silence_s / 2)
        self._long = LongScans(engine, clock)
        self._pruning = DailyPruning(options, clock)
        self._is_noted = True  # the ledger says what the watcher does: it watches, or is paused
        self._read_at = -math.inf  # when digitbox began to read the last batch
        self._arrivals = Arrivals(options, self._inbox, events, self._long.has, clock, self._sign)

    @property
    def _tracker(self) -> StabilityTracker:
        return self._arrivals.tracker

    def close(self) -> None:
        """End watching."""
        self._pruning.stop()
        self._long.clear()
        self._inbox.close()

    def run(self, open_outbox: Callable[[], Outbox], *, goes_on: bool = False) -> None:
        """Read and publish until the signal to stop.

        It pauses while digitbox cannot write to the outbox, lacks open files, or cannot reach the scans.

        Args:
            open_outbox: A function that opens the outbox anew.
            goes_on: Whether the start waits for the inbox and the outbox, too.

        Raises:
            BusyError: At the start, another process has the inbox or the outbox.
            InputError: At the start, digitbox cannot open the inbox.
            OutboxError: At the start, digitbox cannot write to the outbox.
        """
        pause_s, state = 0.0, self._news.state
        if goes_on:
            self._start()
        else:
            self._inbox.lock()
        while not self._stop.is_asked():
            try:
                if state.is_watching and (loss := self._loss()):
                    raise OutboxError(loss)
                outbox = open_outbox()
                outbox.while_waiting, outbox.sign = self._while_waiting, self._sign
                with outbox:
                    if not state.is_watching:
                        self._start()
                    outbox.passing = _PASSING
                    outbox.note_ends(state.unnoted)
                    state.unnoted.clear()
                    self._tell_published(outbox, 0.0, 0.0)  # files that an earlier process staged
                    self._arrivals.rescan_due = -math.inf
                    while not self._stop.is_asked():
                        has_read = self._serve(outbox)
                        if pause_s and (has_read or not len(self._tracker)):
                            _log.info("going on", extra=event("resumed"))
                            notify(f"STATUS=watching {self._options.inbox}")
                            self._news.resume()
                            pause_s = 0.0
                    is_stopping = self._stop.number or not self._stop.must_reload
                    notify("STOPPING=1" if is_stopping else "STATUS=reading its options anew")
                    outbox.beat(self._inbox.path, "stopped", 0)
                    self._set_end()
            except _PASSING as error:
                if self._stop.is_asked():
                    break
                if not state.is_watching:
                    raise
                detail = self._loss() or str(error)
                notify(f"STATUS=paused: {detail}")
                if not pause_s:
                    _log.warning(f"paused, trying again from time to time: {detail}", extra=event("paused"))
                pause_s = min(MAX_PAUSE_S, max(1.0, 2 * pause_s))
                self._pause(pause_s, detail)
        if state.is_watching and self._news.stats.exit_code is None:  # it ends in a pause
            self._set_end()
            if not self._note("stopped", "", 0):
                state.unnoted.append(self._news.stats.summary())
        _log.info("stopped", extra=event("stopped"))

    def _set_end(self) -> None:
        """Set how this start ended, for the history: with 130 after Ctrl-C, else well."""
        if self._stop.number == signal.SIGINT:
            self._news.stats.end_by(KeyboardInterrupt())
        else:
            self._news.stats.end(ExitCode.OK)

    def _start(self) -> None:
        self._engine.start()
        _log.info(f"watching {self._options.inbox}", extra=event("started", pid=os.getpid()))
        notify("READY=1", f"STATUS=watching {self._options.inbox}")
        self._news.state.is_watching = True

    def _serve(self, outbox: Outbox) -> bool:
        """Do what is due, or wait until something is; return whether digitbox read a batch."""
        self._sign()
        with outbox.turn():
            if self._events.were_lost():
                self._arrivals.rescan_soon()
            if self._clock() >= self._arrivals.rescan_due:
                self._rescan(outbox)
            self._read_on(outbox)
            self._arrivals.settle()
            state = self._news.state
            state.backlog = len(self._tracker) + len(self._long)
            state.ready_since = min(self._tracker.ready_since, self._long.ready_since)
            self._news.sign()
            due = self._batch_due()
            if self._clock() >= due:
                self._read(outbox)
                return True
            if self._clock() >= self._pruning.due:
                self._pruning.go_on(outbox)
        now = self._clock()
        dues = self._arrivals.rescan_due, self._tracker.due(), due, self._pruning.due, now + self._silence_s
        times = self._events.wait(0 if self._long else min(dues) - now)
        if times:
            with outbox.turn():
                for path, heard in times.items():
                    self._arrivals.look(path, heard, outbox.unsettled)
        return False

    def _sign(self) -> None:
        """Give a sign of life to systemd and `digitbox status`, if the last one is not of just now.

        A start finishes what an earlier process left, so it may take longer than systemd allows by itself.
        `digitbox status` gets no sign in a pause that the ledger knows nothing of: it would say that all is
        well.
        """
        now = self._clock()
        if now >= self._signed + self._sign_s:
            self._signed = now
            is_starting = not self._news.state.is_watching
            notify("WATCHDOG=1", *([MORE_TIME] if is_starting else []))
            if self._is_noted:
                turns.give_sign(self._options.outbox / STATE)

    def _while_waiting(self) -> None:
        """Give a sign of life while another process has its turn; give up if a signal says to stop."""
        self._sign()
        if self._stop.is_asked():
            raise BusyError("another digitbox is cleaning up the outbox")

    def _batch_due(self) -> float:
        """Return when to read the ready scans: they wait for others, to share a file of results."""
        ready, max_wait_s = len(self._tracker.ready), self._options.max_wait_s
        if not ready:
            return math.inf
        if ready >= self._max_scans:
            return -math.inf
        next_batch = self._read_at + max_wait_s
        is_last = ready == len(self._tracker)  # no other is on its way
        return next_batch if is_last else max(next_batch, self._tracker.ready_since + max_wait_s)

    def _read(self, outbox: Outbox) -> None:
        self._read_at = started = self._clock()
        ready_since = self._tracker.ready_since
        counts: Counter[Status] = Counter()
        scans = 0
        # While a scan was being written, it may have looked new, and have the content of its row by now.
        refs = outbox.unsettled(self._tracker.take(self._max_scans))
        for outcomes in self._engine.map(refs, self._options.batch_size, reads_long=False):
            rows = self._rows_of(outcomes, ready_since)
            outbox.add(rows)
            self._sign()
            counts.update(outcome.status for outcome in rows)
            scans += sum(outcome.is_last_page for outcome in rows)
            log_problems(rows)
            if self._stop.is_asked():  # the other scans stay in the inbox
                break
        self._publish(outbox, counts, scans, started, ready_since)
        self._arrivals.find_more()

    def _publish(
        self, outbox: Outbox, counts: Counter[Status], scans: int, started: float, ready_since: float
    ) -> None:
        """Publish what is staged, and log it."""
        try:
            outbox.publish()
        finally:  # a file in the outbox is published, whatever went wrong after that
            now = self._clock()
            results = self._tell_published(outbox, now - started, now - ready_since)
        if results:
            of_each = ", ".join(f"{counts[status]} {status.value}" for status in Status)
            seconds = self._clock() - started
            files = count_pages(scans, counts.total())
            facts = event(
                "batch",
                scans=scans,
                **{status.value: counts[status] for status in Status},
                seconds=round(seconds, 3),
                results=str(results[-1]),
            )
            _log.info(f"{files}: {of_each}; {seconds:.1f} s; {results[-1].name}", extra=facts)
            self._extra_warning.warn(describe_extra(self._news.stats.extra))
        self._disposal_warning.warn(outbox.not_disposed)

    def _tell_published(self, outbox: Outbox, seconds: float, latency_s: float) -> list[Path]:
        results = [Path(path) for path in outbox.published]
        outbox.published.clear()  # a watcher may run for years
        self._news.published(results, seconds, latency_s)
        return results

    def _rows_of(self, outcomes: list[Outcome], ready_since: float) -> list[Outcome]:
        """Return the outcomes that get a row now; put scans of very many pages on their list."""
        rows: list[Outcome] = []
        for pages in by_file(outcomes):
            if pages[0].is_announcement:
                self._long.add(pages[0].ref, ready_since)
            elif not self._must_wait(pages[0]):
                rows += pages
        return rows

    def _read_on(self, outbox: Outbox) -> None:
        """Read on in the scan of very many pages that is due, and publish it when all are read."""
        ready_since = self._long.ready_since
        rows = self._rows_of(self._long.read_on(), ready_since)
        if rows:
            outbox.add(rows)
            log_problems(rows)
            counts = Counter(outcome.status for outcome in rows)
            self._publish(outbox, counts, 1, self._long.since, ready_since)

    def _must_wait(self, outcome: Outcome) -> bool:
        """Return whether a scan gets no row yet because it may still be on its way."""
        ref = outcome.ref
        if outcome.reason is Reason.CHANGED or self._tracker.is_written(ref.path):
            self._tracker.look(ref.path, ref.name)
            return True
        return outcome.may_be_unfinished and self._tracker.put_back(ref)

    def _rescan(self, outbox: Outbox) -> None:
        """Look at the whole inbox, and try once more to dispose of scans that had to stay."""
        outbox.dispose_rest()
        self._disposal_warning.warn(outbox.not_disposed)
        self._arrivals.rescan(outbox.unsettled)
        outbox.beat(self._inbox.path, "watching", self._inbox.rescan_s)
        self._is_noted = True

    def _loss(self) -> str:
        """Return words for an outbox that is gone, or an empty text.

        After an unmount, a new outbox would be on another disk. The mount point is still a folder.
        """
        if os.path.isdir(self._options.outbox / STATE):
            return ""
        return f"the outbox {self._options.outbox} is gone: bring it back, or start the watcher again"

    def _pause(self, seconds: float, detail: str) -> None:
        self._news.pause(detail)
        self._is_noted = self._note("paused", detail, seconds)
        self._pruning.stop()
        self._long.clear()
        self._arrivals.forget()
        until = self._clock() + seconds
        while not self._stop.is_asked() and self._clock() < until:
            self._sign()
            self._events.wait(min(until - self._clock(), self._silence_s))

    def _note(self, state: str, detail: str, every_s: float) -> bool:
        """Write to the ledger what the watcher does, while it does not have the outbox.

        Returns:
            Whether the ledger could be written: it may be, although the results are not.
        """
        beat = run_history.Heartbeat(
            os.getpid(), self._inbox.path, state, detail, iso(utc_now()), every_s=every_s
        )
        folder = self._options.outbox / STATE
        with suppress(RunError), closing(Ledger(folder)) as ledger, ledger.transaction():
            run_history.write_heartbeat(ledger, beat)
            if self._news.stats.exit_code is not None:
                run_history.write_run(ledger, self._news.stats.summary())
            return True
        return False
