"""When: events and rescans, to settled scans, to batches."""

from __future__ import annotations

import itertools
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from batch.clock import iso, utc_now
from batch.config import WatchOptions
from batch.engines.local import Engine
from batch.errors import BusyError, InputError, OutboxError, RunError
from batch.inputs import names
from batch.inputs.find import Inputs
from batch.locations import STATE
from batch.outbox import run_history
from batch.outbox.ledger import Ledger
from batch.outbox.publisher import Outbox
from batch.records import Outcome, Reason, ScanRef, Status
from batch.results import schema
from batch.run import job
from batch.storage import dispatch
from batch.terminal.log import Repeated, event
from batch.text import count as things
from batch.text import count_scans, text_cell
from batch.watcher.events import Events
from batch.watcher.inbox import InboxMonitor
from batch.watcher.signals import StopSignal
from batch.watcher.stability import StabilityTracker
from batch.watcher.systemd import notify, watchdog_interval_s

_log = logging.getLogger(__name__)

MAX_PAUSE_S = 60.0
MAX_WAIT_S = 10.0
SOON_S = 0.2
MIN_BUSY_SCANS = 32  # scans in a batch, from which on the next may be larger
MAX_ROWS = 10_000  # of a batch: while it is read, nothing else is done, not even a heartbeat
MAX_DOUBLINGS = 8  # doublings of a batch
MAX_TRACKED = 100_000  # what more the inbox holds is found when these are done

Show = Callable[[Path], object]
"""Is shown each published file of results."""


def watch(options: WatchOptions, show: Show) -> int:
    """Reads what is in the inbox and whatever arrives, until a signal says to stop.

    Returns:
        The number of the signal.

    Raises:
        InputError: there is no inbox.
        RunError: as of `job.run`, at the start; later, an outbox that cannot be written is waited for.
    """
    events = Events(Path(os.path.realpath(options.inbox)), options.recursive)
    stop = StopSignal(events.wake)
    with ExitStack() as held:
        held.callback(stop.listen().close)
        schema.check_format(options.format)
        reader, manifest = job.new_reader(options)
        find_inputs(options)  # fails where there is no inbox
        # A scan that kills who reads it must not kill the watcher: started anew, it would read it again.
        engine = held.enter_context(job.new_engine(options, reader, apart=True))
        watcher = Watcher(options, engine, events, show, stop)
        held.callback(watcher.close)
        account = job.new_stats(options)
        watcher.run(lambda: job.new_outbox(options, manifest, account))
    return stop.number


def find_inputs(options: WatchOptions) -> Inputs:
    """What is in the inbox.

    Raises:
        InputError: there is no inbox, or it cannot be listed.
    """
    if not os.path.isdir(options.inbox):
        raise InputError(f"no inbox {options.inbox}: make that folder, or name another")
    root = os.path.realpath(options.inbox)
    return Inputs([root], options.recursive, options.outbox, options.ignore)


class Watcher:
    """Watches an inbox.

    Args:
        options: what was asked for.
        engine: reads scans.
        events: of the inbox.
        show: receives the published files.
        stop: says when to end.
        clock: seconds, only forward.
    """

    def __init__(
        self,
        options: WatchOptions,
        engine: Engine,
        events: Events,
        show: Show,
        stop: StopSignal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._engine, self._events = options, engine, events
        self._show, self._stop, self._clock = show, stop, clock
        self._inbox = InboxMonitor(options, events)
        self._disposal_warning = Repeated(_log, "retire")
        self._folders_warning = Repeated(_log, "folders")
        self._most_rows = min(options.rows_per_file, MAX_ROWS)
        self._settler = StabilityTracker(options.settle_s, self._inbox.path)
        self._rescan_due, self._rescan_took_s = -math.inf, 0.0
        self._silence_s = watchdog_interval_s()
        self._growth = 0  # of batches, while scans arrive faster than they are published
        self._has_more = False  # than is tracked
        self._others = 0  # files that are no scans, when they were counted last

    def close(self) -> None:
        """Ends watching."""
        self._inbox.close()

    def run(self, open_outbox: Callable[[], Outbox]) -> None:
        """Serves an outbox until told to stop; when it cannot be written, waits until it can be again.

        Args:
            open_outbox: makes the outbox anew.

        Raises:
            BusyError: another process has the inbox or the outbox at the start.
            OutboxError: it cannot be written at the start.
        """
        self._inbox.hold()
        pause_s, is_started = 0.0, False
        while not self._stop.is_asked():
            try:
                if is_started:
                    self._check_outbox()
                with open_outbox() as outbox:
                    if not is_started:
                        self._engine.start()
                        _log.info(f"watching {self._options.inbox}", extra=event("started", pid=os.getpid()))
                        notify("READY=1", f"STATUS=watching {self._options.inbox}")
                        is_started = True
                    self._show_published(outbox)  # what an earlier process left unfinished
                    self._rescan_due = -math.inf
                    while not self._stop.is_asked():
                        has_read = self._serve(outbox)
                        if pause_s and (has_read or not len(self._settler)):
                            _log.info("going on: the outbox can be written again", extra=event("resumed"))
                            notify(f"STATUS=watching {self._options.inbox}")
                            pause_s = 0.0
                    notify("STOPPING=1")
                    outbox.beat(self._inbox.path, "stopped", 0)
            except (OutboxError, BusyError) as error:
                if not is_started:
                    raise
                notify(f"STATUS=paused: {error}")
                if not pause_s:
                    _log.warning(f"paused, trying again from time to time: {error}", extra=event("paused"))
                pause_s = min(MAX_PAUSE_S, max(1.0, 2 * pause_s))
                self._pause(pause_s, str(error))
        _log.info("stopped", extra=event("stopped"))

    def _serve(self, outbox: Outbox) -> bool:
        """Does what is due, or waits until something is; returns whether a batch was read."""
        now = self._clock()
        notify("WATCHDOG=1")
        if self._events.were_lost():
            self._rescan_soon(now)
        if now >= self._rescan_due:
            self._rescan(outbox, now)
        self._settler.settle(now)
        due = self._batch_due()
        if now >= due:
            self._read(outbox)
            return True
        until = min(self._rescan_due, self._settler.due(), due, now + self._silence_s)
        for path in self._events.wait(until - now):
            self._look(path, outbox)
        return False

    def _batch_due(self) -> float:
        """When to read what is ready: at once when it fills a batch, or nothing else is on its way."""
        ready = len(self._settler.ready)
        full = min(self._most_rows, self._options.batch_size << self._growth)
        if ready and (ready >= full or ready == len(self._settler)):
            return -math.inf
        return self._settler.ready_since + min(MAX_WAIT_S, self._options.max_wait_s * 2**self._growth)

    def _read(self, outbox: Outbox) -> None:
        started = self._clock()
        counts: Counter[Status] = Counter()
        refs = self._settler.take(self._most_rows)
        for outcomes in self._engine.map(refs, self._options.batch_size):
            rows = [outcome for outcome in outcomes if not self._must_wait(outcome)]
            outbox.add(rows)
            notify("WATCHDOG=1")
            counts.update(outcome.status for outcome in rows)
            self._say_problems(rows)
            if self._stop.is_asked():  # the rest is still in the inbox
                break
        try:
            outbox.publish()
        finally:  # once it is in the outbox, it is published, whatever went wrong then
            results = self._show_published(outbox)
        is_busy = len(refs) >= MIN_BUSY_SCANS and len(self._settler) > 0
        self._growth = min(self._growth + 1, MAX_DOUBLINGS) if is_busy else 0
        if self._has_more and not len(self._settler):
            self._rescan_due = -math.inf
        if results:
            of_each = ", ".join(f"{counts[status]} {status.value}" for status in Status)
            seconds = self._clock() - started
            scans = count_scans(counts.total())
            facts = event(
                "batch",
                scans=counts.total(),
                **{status.value: counts[status] for status in Status},
                seconds=round(seconds, 3),
                results=str(results[-1]),
            )
            _log.info(f"{scans}: {of_each}; {seconds:.1f} s; {results[-1].name}", extra=facts)
        self._disposal_warning.warn(outbox.not_disposed)

    def _show_published(self, outbox: Outbox) -> list[Path]:
        results = [Path(path) for path in outbox.published]
        outbox.published.clear()  # a watcher may live for years
        for path in results:
            self._show(path)
        return results

    def _say_problems(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.status is not Status.OK:
                name, reason = text_cell(outcome.ref.name), outcome.reason or ""
                text = f"{name}: {outcome.status}, {reason}"
                _log.debug(text, extra=event("scan", file=name, status=outcome.status, reason=reason))

    def _must_wait(self, outcome: Outcome) -> bool:
        """Whether a scan gets no row now, since it may be still on its way."""
        ref, now = outcome.ref, self._clock()
        if outcome.reason is Reason.CHANGED:
            self._settler.look(ref.path, ref.name, now)
            return True
        return outcome.status is Status.FAILED and self._settler.put_back(ref, now)

    def _look(self, path: str, outbox: Outbox) -> None:
        """Looks at what an event names."""
        name = os.path.relpath(path, self._inbox.path)
        parts = name.split(os.sep)
        if parts[0] in (os.curdir, os.pardir) or (len(parts) > 1 and not self._options.recursive):
            return
        if any(names.is_ignored(part, self._options.ignore) for part in parts):
            return
        if os.path.isdir(path) and not os.path.islink(path):
            self._rescan_soon(self._clock())  # what is in a folder that was moved in makes no events
        elif len(self._settler) >= MAX_TRACKED:
            self._has_more = True
        elif names.has_image_suffix(name) and outbox.unsettled([dispatch.identify(ScanRef(path, name))]):
            self._settler.look(path, name, self._clock())

    def _rescan_soon(self, now: float) -> None:
        """Sees to a look at everything: soon, but not for each of many reasons for it."""
        self._rescan_due = min(self._rescan_due, now + max(SOON_S, 5 * self._rescan_took_s))

    def _rescan(self, outbox: Outbox, now: float) -> None:
        """Looks at everything: events may have been lost, and nothing is."""
        outbox.dispose_rest()
        self._disposal_warning.warn(outbox.not_disposed)
        self._has_more = False
        if self._inbox.is_there():
            try:
                inputs = find_inputs(self._options)
                closed = 0
                found = map(outbox.unsettled, dispatch.identify_all(inputs))
                for ref in itertools.chain.from_iterable(found):
                    closed += not names.has_image_suffix(ref.name) and os.path.isdir(ref.path)
                    if len(self._settler) >= MAX_TRACKED:
                        self._has_more = True
                        break
                    self._settler.look(ref.path, ref.name, now)
                self._inbox.warning.warn("")
                self._folders_warning.warn(f"folders that cannot be listed: {closed}" if closed else "")
                self._say_others(inputs.skipped - inputs.unfinished)
            except (InputError, OSError) as error:  # perhaps it is a share that is just going away
                self._inbox.warning.warn(f"cannot look at the inbox: {error}")
        outbox.beat(self._inbox.path, "watching", self._inbox.rescan_s)
        self._rescan_took_s = self._clock() - now
        self._rescan_due = now + self._inbox.next_look_s

    def _say_others(self, count: int) -> None:
        """Says that there are files that are no scans, unless it has said so of as many."""
        if count > self._others:
            others = things(count, "other file")
            _log.info(f"{others} in the inbox left alone", extra=event("others", count=count))
        self._others = count

    def _check_outbox(self) -> None:
        # Where a disk was unmounted, an outbox made anew would be on another one.
        if not os.path.isdir(self._options.outbox):
            raise OutboxError(f"the outbox {self._options.outbox} is gone: bring it back, or make it")

    def _pause(self, seconds: float, detail: str) -> None:
        with suppress(RunError):  # perhaps the ledger can be written, though the rows cannot
            ledger = Ledger(self._options.outbox / STATE)
            beat = run_history.Heartbeat(
                os.getpid(), self._inbox.path, "paused", detail, iso(utc_now()), every_s=seconds
            )
            run_history.write_heartbeat(ledger, beat)
            ledger.close()
        # What it held is found again.
        self._settler = StabilityTracker(self._options.settle_s, self._inbox.path)
        until = self._clock() + seconds
        while not self._stop.is_asked() and self._clock() < until:
            notify("WATCHDOG=1")
            self._events.wait(min(until - self._clock(), self._silence_s))
