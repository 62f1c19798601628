"""The health of an outbox: its last run, what waits, its watcher."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from batch.clock import seconds_of
from batch.config import ATTEMPTS
from batch.durations import spoken
from batch.errors import ExitCode, InputError
from batch.inputs.find import Inputs
from batch.locations import Location, state_folder
from batch.outbox import batches, ledger, run_history
from batch.outbox.ledger import Ledger
from batch.outbox.run_history import Heartbeat
from batch.records import RunSummary, Status
from batch.storage import dispatch
from batch.text import count_scans

MAX_RUNS = 50  # entries
PATIENCE_S = 300.0  # with a watcher: while it reads a batch, it gives no sign
MAX_MISSED_BEATS = 3  # signs of a watcher that may fail to come


@dataclass(slots=True)
class Health:
    """What `status` says.

    Attributes:
        last_run: that has ended, or was killed; None when there was none.
        running: what goes on now.
        last_success: the last run with exit code 0.
        waiting: inputs without a row; None when they cannot be counted.
        oldest_waiting_at: modification time of the oldest of them, seconds since 1970.
        inputs: what waiting scans were looked for in.
        counts: scans by status, in all runs.
        watcher: its last sign.
        watcher_state: `watching`, `paused`, `stopped`, `stale` (no sign for long), `gone` (no such process).
        problems: sentences on what is not as it should be.
    """

    last_run: RunSummary | None = None
    running: RunSummary | None = None
    last_success: RunSummary | None = None
    waiting: int | None = None
    oldest_waiting_at: float | None = None
    inputs: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    watcher: Heartbeat | None = None
    watcher_state: str | None = None
    problems: list[str] = field(default_factory=list)


def check_health(
    inputs: Sequence[str], outbox: Location, now: float, max_age_s: float | None = None
) -> Health:
    """Finds out how things are, and changes nothing.

    Args:
        inputs: what is read; empty for what the last run read.
        outbox: of the runs.
        now: time, seconds since 1970.
        max_age_s: how long ago the last success may be; None for any time.

    Raises:
        LedgerError: the ledger is damaged.
    """
    report = Health(counts=dict.fromkeys((status.value for status in Status), 0), inputs=tuple(inputs))
    folder = state_folder(outbox)
    if not ledger.exists(folder):
        report.problems.append(f"nothing has been read into {outbox} yet")
        return report
    with closing(Ledger(folder, read_only=True)) as opened:
        entries = run_history.last_runs(opened, MAX_RUNS)
        report.last_success = run_history.last_success(opened)
        report.watcher = run_history.read_heartbeat(opened)
        report.counts |= {
            status.value: count for status, count in run_history.count_by_status(opened).items()
        }
        if entries and run_history.is_running(entries[0]):
            report.running = entries.pop(0)
        report.last_run = entries[0] if entries else None
        _judge_runs(report, outbox, now, max_age_s)
        _judge_watcher(report, now)
        _count_waiting(report, opened, outbox, report.running or report.last_run)
    return report


def _judge_runs(report: Health, outbox: Location, now: float, max_age_s: float | None) -> None:
    run, running = report.last_run, report.running
    # A watcher is judged by its heartbeat.
    is_watched = running is not None and running.command == "watch"
    if run is None and running is None:
        report.problems.append(f"no run into {outbox} is noted yet")
    elif run is not None and not is_watched:
        if run.exit_code is None and run.command == "run":
            report.problems.append("the last run was killed; the next one goes on with what is left")
        elif run.exit_code == ExitCode.SOME_FAILED:
            failed = count_scans(run.counts.get(Status.FAILED, 0))
            report.problems.append(f"{failed} of the last {run.command} could not be read")
        elif run.exit_code not in (None, ExitCode.OK):
            report.problems.append(f"the last {run.command} ended with {run.exit_code}: {run.error}")
    if max_age_s is not None and not is_watched:
        success = report.last_success
        if success is None or success.finished_at is None:
            report.problems.append("no run has succeeded yet")
        elif now - seconds_of(success.finished_at) > max_age_s:
            report.problems.append(f"the last success is {spoken(now - seconds_of(success.finished_at))} ago")


def _judge_watcher(report: Health, now: float) -> None:
    beat, newest = report.watcher, report.running or report.last_run
    if beat is None:
        return
    age_s = now - seconds_of(beat.beat_at)
    if beat.state == "stopped":
        report.watcher_state = "stopped"
    elif newest is not None and newest.command == "run" and newest.started_at > beat.beat_at:
        report.watcher_state = "gone"  # and a run has taken its outbox since
    elif not run_history.is_alive(beat.pid):
        report.watcher_state = "gone"
        report.problems.append(f"the watcher is gone, its last sign {spoken(age_s)} ago: start it again")
    elif age_s > MAX_MISSED_BEATS * (beat.every_s or PATIENCE_S) + PATIENCE_S:
        report.watcher_state = "stale"
        report.problems.append(
            f"no sign of the watcher for {spoken(age_s)}: end process {beat.pid}, start it again"
        )
    else:
        report.watcher_state = beat.state
        if beat.state == "paused":
            report.problems.append(f"the watcher is paused: {beat.detail}")


def _count_waiting(report: Health, opened: Ledger, outbox: Location, run: RunSummary | None) -> None:
    inputs = report.inputs or (run.inputs if run else ())
    if not inputs and report.watcher is not None:
        inputs = (report.watcher.inbox,)
    report.inputs = tuple(inputs)
    if not inputs:
        return
    recursive, ignore = (run.recursive, run.ignore) if run else (True, ())
    is_watched = run is not None and run.command == "watch"
    attempts = 1 if is_watched else ATTEMPTS
    count, oldest_ns = 0, math.inf
    try:
        for some in dispatch.identify_all(Inputs(inputs, recursive, outbox, ignore)):
            for ref in batches.unsettled(opened, some, attempts):
                # A folder with the name of an image has a row of a run, and none of a watcher.
                if is_watched and os.path.isdir(ref.path):
                    continue
                count, oldest_ns = count + 1, min(oldest_ns, ref.mtime_ns)
    except InputError as error:
        report.problems.append(str(error))
        return
    report.waiting = count
    if count:
        report.oldest_waiting_at = oldest_ns / 1e9
