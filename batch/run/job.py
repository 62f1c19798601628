"""One run: recover, find, read, stage, publish, summarise."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from batch.config import INBOX, ReadOptions, RunOptions, WatchOptions
from batch.engines import local
from batch.engines.local import Engine
from batch.errors import ExitCode, InputError
from batch.inference import model_store
from batch.inference.reader import Reader
from batch.inputs.find import Inputs
from batch.locations import absolute, state_folder
from batch.outbox import batches, ledger
from batch.outbox.ledger import Ledger
from batch.outbox.publisher import Outbox
from batch.outbox.run_stats import RunStats
from batch.records import After, Manifest, Outcome, RunSummary, ScanRef, Status
from batch.results import schema
from batch.run import drift
from batch.run.selection import Selection
from batch.storage import locks

if TYPE_CHECKING:
    from batch.engines.ray import RayEngine

OnOutcomes = Callable[[list[Outcome]], None]
"""Is shown the outcomes as they come."""

MAX_PREVIOUS_RUNS = 1000  # entries to find runs in that are large enough to compare with
SPARE_FILES = 200  # that may be open beside the folders'


def find(options: RunOptions) -> Inputs:
    """Finds what is to be read.

    Raises:
        InputError: an input is not there.
    """
    return Inputs(options.inputs or (INBOX,), options.recursive, options.outbox, options.ignore)


def new_stats(options: RunOptions | WatchOptions) -> RunStats:
    """The account of a run, or of a watcher, that begins now."""
    if isinstance(options, RunOptions):
        command, inputs = "run", [absolute(given) for given in options.inputs or (INBOX,)]
    else:
        command, inputs = "watch", [os.path.abspath(options.inbox)]
    return RunStats(command, inputs, recursive=options.recursive, ignore=options.ignore)


def run(options: RunOptions, inputs: Inputs, watcher: OnOutcomes, account: RunStats | None = None) -> None:
    """Reads all inputs, or those that have no row yet, and publishes one row for each.

    Args:
        options: what was asked for.
        inputs: what was found.
        watcher: is shown the outcomes.
        account: counts them; has what the run comes to at the end, with the exit code.

    Raises:
        MissingExtraError: the format, the runtime or the engine needs an extra that is not installed.
        ConfigError: the engine's cluster cannot be reached.
        ModelError: the model is missing or damaged.
        OutboxError: the outbox cannot be written.
        LedgerError: its ledger is damaged.
        BusyError: another process writes to it, or reads the same folder to move or delete its scans.
        InputError: a folder is gone; or nothing was to be read, and that was to be an error.
    """
    account = account or new_stats(options)
    schema.check_format(options.format)
    reader, manifest = new_reader(options)
    engine = _engine_of(options, reader)
    with ExitStack() as held:
        _hold(inputs.folders, options, held)
        outbox = held.enter_context(new_outbox(options, manifest, account))
        account.results = outbox.published  # as they come to be
        held.enter_context(engine)
        # Scans that could not be moved or deleted have their row as well.
        reads_all = options.after is After.LEAVE and not options.only_new
        refs = Selection(
            inputs,
            account,
            None if reads_all else outbox.unsettled,
            max_files=options.max_files,
            max_seconds=options.max_time_s,
            border=options.batch_size,
        )
        for outcomes in engine.map(refs, options.batch_size):
            outbox.add(outcomes)
            watcher(outcomes)
        outbox.publish()
        _conclude(account, options, outbox)
        account.not_disposed = outbox.not_disposed


def _conclude(account: RunStats, options: RunOptions, outbox: Outbox) -> None:
    """What the run comes to, beside the runs before it."""
    summary = account.summary()
    if options.fail_if_empty and not summary.seen and not outbox.published:
        raise InputError("no scans to read, and --fail-if-empty: see whether any arrive")
    before = [
        run for run in outbox.last_runs(MAX_PREVIOUS_RUNS) if run.command == "run" and run.run != summary.run
    ]
    for status in (Status.REVIEW, Status.REFUSED):
        found = drift.find_jump(_share(summary, status), [_share(run, status) for run in before])
        if found is not None:
            account.drift = {**account.drift, status.value: found}
    too_many = not options.max_failed.bears(summary.counts.get(Status.FAILED, 0), summary.rows)
    account.end(ExitCode.SOME_FAILED if too_many else ExitCode.OK)


def _share(run: RunSummary, status: Status) -> drift.Counts:
    return run.counts.get(status, 0), run.rows


def preview(options: ReadOptions, inputs: Inputs) -> Iterator[ScanRef]:
    """Yields what would be read now, and changes nothing.

    Raises:
        LedgerError: the outbox's ledger is damaged.
    """
    folder = state_folder(options.outbox)
    max_files = options.max_files if isinstance(options, RunOptions) else None
    with ExitStack() as opened:
        unsettled = None
        if options.only_new and ledger.exists(folder):
            known = opened.enter_context(closing(Ledger(folder, read_only=True)))
            unsettled = partial(batches.unsettled, known, attempts=options.attempts)
        yield from Selection(inputs, RunStats(""), unsettled, max_files=max_files)


def new_reader(options: ReadOptions) -> tuple[Reader, Manifest]:
    """A reader that has been checked: it can be loaded where the work will run."""
    folder = model_store.find(options.model)
    reader = Reader(folder, options.runtime, options.review_below, options.max_pixels)
    return reader, reader.check()


def new_engine(options: ReadOptions, reader: Reader, *, apart: bool = False) -> Engine:
    """What the work is done by."""
    workers = options.workers or local.usable_cores()
    # TensorFlow takes all cores itself, and cannot be forked.
    return Engine(reader, 1 if options.runtime == "tensorflow" else workers, apart=apart)


def _engine_of(options: RunOptions, reader: Reader) -> Engine | RayEngine:
    if options.engine == "ray":
        from batch.engines.ray import RayEngine  # most runs need nothing of what it imports

        return RayEngine(reader, options.workers, options.ray_address)
    return new_engine(options, reader)


def new_outbox(options: ReadOptions, manifest: Manifest, account: RunStats | None = None) -> Outbox:
    """Where the rows go; with an account, the ledger has an entry of the run."""
    if account is not None:
        account.model = manifest.version
    return Outbox(
        options.outbox,
        format_name=options.format,
        rows_per_file=options.rows_per_file,
        model=manifest.version,
        with_probabilities=options.probabilities,
        after=options.after,
        only_new=options.only_new,
        attempts=options.attempts,
        stats=account,
    )


def _hold(folders: list[Path], options: RunOptions, held: ExitStack) -> None:
    """Takes the locks of folders; each is an open file, and the usual limit of a process is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(folders) + SPARE_FILES
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    for folder in folders:
        busy = f"another digitbox is reading {folder}: wait for it"
        try:
            held.enter_context(locks.hold(folder, exclusive=options.after is not After.LEAVE, busy=busy))
        except OSError as error:
            raise InputError(
                f"cannot open {folder}: {error.strerror}; name another or fewer folders"
            ) from error
