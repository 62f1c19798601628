"""The health of an outbox: its last run, its waiting scans, its watcher."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batch.clock import seconds_of, spoken
from batch.config import ATTEMPTS
from batch.errors import ExitCode, InputError
from batch.inputs.find import Inputs
from batch.locations import STATE, Location, command_line, is_remote, state_folder
from batch.outbox import batches, corrections, processes, published_files, run_history, turns
from batch.outbox.books import Books, Listing, check_books
from batch.outbox.ledger import Ledger, has_tables, open_ledger
from batch.outbox.run_history import Heartbeat
from batch.records import RunSummary, Status
from batch.storage import dispatch
from batch.text import count_scans

MAX_RUNS = 2  # entries of the history to read: the run that goes on, and the one before it
MAX_SILENCE_S = 3 * turns.SIGN_S  # of a watcher, which gives signs while it reads, too
OLD_PATIENCE_S = 300.0  # for a watcher of an older digitbox, which gives none while it reads a batch
OLD_MAX_MISSED = 3  # signs that such a watcher may miss


@dataclass(slots=True)
class Health:
    """The facts that `digitbox status` reports.

    Attributes:
        last_run: The last run that ended or was killed; None if there was none.
        running: The run or watcher that works now; None if there is none.
        last_success: The last run with exit code 0; None if there was none.
        waiting: Number of scans without a row; None if digitbox cannot count them.
        oldest_waiting_at: Modification time of the oldest waiting scan, seconds since 1970; None if
            digitbox can look at none.
        inputs: Paths, globs and addresses in which digitbox looked for waiting scans.
        counts: Number of scans by status, in all runs; what a person said of a scan counts.
        watcher: What the watcher last wrote to the ledger; None if there never was one.
        watcher_seen_at: When it last gave a sign of life, seconds since 1970; None if there never was one.
        watcher_state: `watching`, `paused`, `stopped`, `stale` (no sign), `gone` (no such process);
            None if there never was a watcher.
        problems: One sentence for each thing that is not well, the gravest first; empty if all is well.
        books: What the ledger and the files of the outbox say of each other; None if nobody asked.
    """

    last_run: RunSummary | None = None
    running: RunSummary | None = None
    last_success: RunSummary | None = None
    waiting: int | None = None
    oldest_waiting_at: float | None = None
    inputs: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    watcher: Heartbeat | None = None
    watcher_seen_at: float | None = None
    watcher_state: str | None = None
    problems: list[str] = field(default_factory=list)
    books: Books | None = None


def check_health(
    inputs: Sequence[str],
    outbox: Location,
    now: float,
    max_age_s: float | None = None,
    *,
    is_deep: bool = False,
) -> Health:
    """Check an outbox, and change nothing.

    Args:
        inputs: Paths, globs and addresses of scans; empty for those of the last run.
        outbox: Outbox of the runs.
        now: Time of day, seconds since 1970.
        max_age_s: Greatest age of the last success, in seconds; None for any age.
        is_deep: Compare the ledger with the files of the outbox, which must be on a disk.

    Returns:
        The facts, and a sentence for each problem.

    Raises:
        LedgerError: The ledger is damaged.
    """
    health = Health(counts=dict.fromkeys((status.value for status in Status), 0), inputs=tuple(inputs))
    folder = state_folder(outbox)
    if not has_tables(folder):
        missing = published_files.missing_ledger(outbox)
        problem = f"{missing}: bring back its folder {STATE}, or all scans count as new"
        health.problems.append(problem if missing else f"nothing has been read into {outbox} yet")
        return health
    listing = Listing.of(outbox) if is_deep and isinstance(outbox, Path) else None
    with open_ledger(outbox, read_only=True) as ledger:
        ledger.check_pages()  # the next run needs others than the queries below
        runs = run_history.last_runs(ledger, MAX_RUNS)
        health.last_success = run_history.last_success(ledger)
        health.watcher = run_history.read_heartbeat(ledger)
        counts = corrections.count_by_status(ledger, corrections.load(outbox))
        health.counts |= {status.value: count for status, count in counts.items()}
        if runs and run_history.is_running(runs[0], folder):
            health.running = runs.pop(0)
        health.last_run = runs[0] if runs else None
        _judge_watcher(health, now, outbox)
        if listing is not None and isinstance(outbox, Path):
            health.books = check_books(ledger, outbox, listing)
            health.problems += health.books.problems
        _judge_runs(health, outbox, now, max_age_s)
        _count_waiting(health, ledger, outbox, health.running or health.last_run)
    return health


def _judge_runs(health: Health, outbox: Location, now: float, max_age_s: float | None) -> None:
    run, running = health.last_run, health.running
    # `_judge_watcher` judges a watcher, by its heartbeat.
    is_watched = running is not None and running.command == "watch"
    if run is None and running is None:
        health.problems.append(f"no run into {outbox} yet: start one")
    elif run is not None and not is_watched:
        if run.exit_code is None and run.command == "run":
            health.problems.append("the last run was killed; the next one goes on with what is left")
        elif run.exit_code == ExitCode.SOME_FAILED:
            failed = count_scans(run.counts.get(Status.FAILED, 0))
            if health.counts[Status.FAILED]:  # else they have been corrected, or wait to be read again
                # `export` needs an outbox on a disk.
                shows = "export --status failed" if isinstance(outbox, Path) else "retry --dry-run"
                see, again = (command_line(words, outbox) for words in (shows, "retry"))
                health.problems.append(
                    f"{failed} of the last {run.command} could not be read: see them with {see}, and read "
                    f"them again with {again}"
                )
        elif run.command == "watch" and run.exit_code == ExitCode.INTERRUPTED:
            pass  # somebody ended it, and it finished its batch
        elif run.exit_code not in (None, ExitCode.OK):
            health.problems.append(f"the last {run.command} ended with {run.exit_code}: {run.error}")
    if max_age_s is not None and not is_watched:
        success = health.last_success
        if success is None or success.finished_at is None:
            health.problems.append("no run has succeeded yet")
        elif now - seconds_of(success.finished_at) > max_age_s:
            health.problems.append(f"the last success is {spoken(now - seconds_of(success.finished_at))} ago")


def _judge_watcher(health: Health, now: float, outbox: Location) -> None:
    beat, newest = health.watcher, health.running or health.last_run
    if beat is None:
        return
    folder = state_folder(outbox)
    sign_at = turns.last_sign(folder)
    seen_at = health.watcher_seen_at = max(seconds_of(beat.beat_at), sign_at or 0.0)
    age_s = now - seen_at
    max_age_s = MAX_SILENCE_S
    if sign_at is None:
        max_age_s = OLD_MAX_MISSED * (beat.every_s or OLD_PATIENCE_S) + OLD_PATIENCE_S
    if beat.state == "stopped":
        health.watcher_state = "stopped"
    elif newest is not None and newest.command == "run" and newest.started_at > beat.beat_at:
        health.watcher_state = "gone"  # since then, a run has taken its outbox
    elif not processes.is_alive(beat.pid, seen_at, turns.lock_of(folder)):
        health.watcher_state = "gone"
        again = command_line(f"watch {shlex.quote(beat.inbox)}", outbox)
        health.problems.append(
            f"the watcher is gone, its last sign {spoken(age_s)} ago: start it again, {again}"
        )
    elif age_s > max_age_s:
        health.watcher_state = "stale"
        health.problems.append(
            f"no sign of the watcher for {spoken(age_s)}: a scan, a disk or a share hangs, or the outbox is "
            f"full; make room, or if that goes on, end process {beat.pid}, and start it again"
        )
    else:
        health.watcher_state = beat.state
        if beat.state == "paused":
            health.problems.append(f"the watcher is paused: {beat.detail}")


def _count_waiting(health: Health, ledger: Ledger, outbox: Location, run: RunSummary | None) -> None:
    is_watched = run is not None and run.command == "watch"
    inputs = health.inputs or (run.inputs if run else ())
    if health.watcher is not None and not health.inputs and (is_watched or not inputs):
        inputs = (health.watcher.inbox,)  # if the inbox is a link, the folder that it led to at the start
    health.inputs = tuple(inputs)
    if not inputs:
        return
    recursive, ignore = (run.recursive, run.ignore) if run else (True, ())
    attempts = 1 if is_watched else ATTEMPTS
    count, oldest_ns = 0, math.inf
    there = [path for path in inputs if not _has_left(ledger, path)]
    try:
        for chunk in dispatch.identify_all(Inputs(there, recursive, outbox, ignore, may_be_empty=True)):
            for ref in batches.unsettled(ledger, chunk, attempts):
                # A run gives a row to a folder with the name of an image. A watcher gives it none.
                if is_watched and os.path.isdir(ref.path):
                    continue
                count += 1
                if ref.size_bytes >= 0:  # digitbox could look at the file
                    oldest_ns = min(oldest_ns, ref.mtime_ns)
    except InputError as error:
        health.problems.append(str(error))
        return
    health.waiting = count
    if oldest_ns < math.inf:
        health.oldest_waiting_at = oldest_ns / 1e9


def _has_left(ledger: Ledger, path: str) -> bool:
    """Return whether an input was a file that has its row, and that digitbox or somebody else took away."""
    return (
        not is_remote(path) and not os.path.lexists(path) and batches.has_row(ledger, os.path.realpath(path))
    )
