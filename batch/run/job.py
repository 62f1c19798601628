"""One run, from its inputs to its published results."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from batch.config import ReadOptions, RunOptions, WatchOptions
from batch.engines import limits
from batch.engines.local import Engine
from batch.errors import ExitCode, InputError
from batch.inference import model_store
from batch.inference.reader import Reader
from batch.inputs.find import Inputs, absolute_input
from batch.inputs.settling import SettleCheck
from batch.lengths import ONE
from batch.locations import absolute, state_folder
from batch.outbox import batches, ledger
from batch.outbox.publisher import Outbox
from batch.outbox.run_stats import RunStats
from batch.outbox.turns import Role
from batch.records import After, Manifest, Outcome, RunSummary, ScanRef, Status
from batch.results import schema
from batch.run import drift
from batch.run.selection import Selection
from batch.storage import locks

if TYPE_CHECKING:
    from batch.engines.ray import RayEngine

OnOutcomes = Callable[[list[Outcome]], None]
"""A function that gets the outcomes as they come."""

# Entries of the history, of which digitbox takes runs that are large enough to compare.
MAX_PREVIOUS_RUNS = 1000
FILES_BESIDE_LOCKS = 200  # open files of a run beside the locks of its folders


def find(options: RunOptions) -> Inputs:
    """Find the scans of a run.

    Raises:
        InputError: An input does not exist.
    """
    return Inputs(
        options.inputs or (options.inbox,),
        options.recursive,
        options.outbox,
        options.ignore,
        may_be_empty=options.only_new or options.after is not After.LEAVE,
    )


def new_stats(options: RunOptions | WatchOptions) -> RunStats:
    """Return the statistics of a run or a watcher that begins now."""
    if isinstance(options, RunOptions):
        command, inputs = "run", [absolute_input(path) for path in options.inputs or (options.inbox,)]
    else:
        command, inputs = "watch", [absolute(options.inbox)]
    return RunStats(command, inputs, recursive=options.recursive, ignore=options.ignore)


def run(
    options: RunOptions, inputs: Inputs, show: OnOutcomes, stats: RunStats, *, in_process: bool = False
) -> None:
    """Read all scans, or those that have no row yet, and publish one row for each.

    Args:
        options: The options of the run.
        inputs: The scans, from `find`.
        show: A function that gets the outcomes as they come.
        stats: Counts the outcomes; at the end it has the exit code.
        in_process: Read on this machine without worker processes, and without a time limit.

    Raises:
        MissingExtraError: The format, the runtime or the engine needs an extra that is not installed.
        ConfigError: The engine cannot reach its cluster.
        ModelError: The model is missing or damaged.
        OutboxError: digitbox cannot write to the outbox.
        LedgerError: The ledger of the outbox is damaged.
        BusyError: Another process writes to the outbox, or moves or deletes scans of the same folder.
        InputError: A folder is gone; or there is nothing to read, and the options make that an error.
    """
    schema.check_format(options.format)
    reader, manifest = new_reader(options)
    engine = _engine_of(options, reader, in_process=in_process)
    with ExitStack() as resources:
        _lock(inputs, options, resources)
        outbox = resources.enter_context(new_outbox(options, manifest, stats))
        stats.results = outbox.published  # the same list: it grows during the run
        resources.enter_context(engine)
        check = new_check(options)
        # With move and delete, too: a scan that digitbox could not move or delete has its row.
        reads_all = options.after is After.LEAVE and not _leaves_out_settled(options)
        refs = Selection(
            inputs,
            stats,
            None if reads_all else outbox.unsettled,
            is_whole=check.is_whole if check else None,
            max_files=options.max_files,
            max_seconds=options.max_time_s,
            border=options.batch_size,
        )
        for outcomes in engine.map(refs, options.batch_size):
            rows = [outcome for outcome in outcomes if not (check and check.must_wait(outcome))]
            stats.unfinished += len(outcomes) - len(rows)
            outbox.add(rows)
            show(rows)
        outbox.publish()
        stats.unfinished_s = check.longest_s if check else 0.0
        _conclude(stats, options, outbox)
        stats.not_disposed = outbox.not_disposed


def new_check(options: RunOptions) -> SettleCheck | None:
    """Return the check for files that somebody still writes to; None if scans stay where they are."""
    return None if options.after is After.LEAVE else SettleCheck(options.settle_s)


def _conclude(stats: RunStats, options: RunOptions, outbox: Outbox) -> None:
    """Set the drift and the exit code of a run that has read all its scans."""
    summary = stats.summary()
    if options.fail_if_empty and not summary.seen and not outbox.published:
        raise InputError("no scans to read, and --fail-if-empty: see whether any arrive")
    previous = [
        run for run in outbox.last_runs(MAX_PREVIOUS_RUNS) if run.command == "run" and run.run != summary.run
    ]
    for status in (Status.REVIEW, Status.REFUSED):
        jump = drift.find_jump(_share(summary, status), [_share(run, status) for run in previous])
        if jump is not None:
            stats.drift = {**stats.drift, status.value: jump}
    too_many = not options.max_failed.bears(summary.counts.get(Status.FAILED, 0), summary.rows)
    stats.end(ExitCode.SOME_FAILED if too_many else ExitCode.OK)


def _share(run: RunSummary, status: Status) -> drift.Counts:
    return run.counts.get(status, 0), run.rows


def _leaves_out_settled(options: ReadOptions) -> bool:
    """Return whether digitbox leaves out scans that are like one that has its row."""
    watches_in_place = isinstance(options, WatchOptions) and options.after is After.LEAVE
    return options.only_new or watches_in_place


def preview(options: ReadOptions, inputs: Inputs) -> Iterator[ScanRef]:
    """Yield the scans that a run would read now, and change nothing.

    Raises:
        LedgerError: The ledger of the outbox is damaged.
    """
    max_files = options.max_files if isinstance(options, RunOptions) else None
    with ExitStack() as resources:
        unsettled: Callable[[list[ScanRef]], list[ScanRef]] | None = None
        if ledger.has_tables(state_folder(options.outbox)):
            known = resources.enter_context(ledger.open_ledger(options.outbox, read_only=True))
            if _leaves_out_settled(options):
                unsettled = partial(batches.unsettled, known, attempts=options.attempts)
            elif batches.unfinished(known):  # a run moves or deletes those scans before it looks for others
                unsettled = partial(batches.not_awaiting_disposal, known)
        check = new_check(options) if isinstance(options, RunOptions) else None
        is_whole = check.is_whole if check else None
        yield from Selection(inputs, RunStats(""), unsettled, is_whole=is_whole, max_files=max_files)


def new_reader(options: ReadOptions) -> tuple[Reader, Manifest]:
    """Return a reader that can load its model in any process, after a check, and the model's manifest."""
    folder = model_store.find(options.model)
    reader = Reader(folder, options.runtime, options.review_below, options.max_pixels, options.digits)
    return reader, reader.check()


def new_engine(options: ReadOptions, reader: Reader, *, apart: bool = False) -> Engine:
    """Return the engine that reads on this machine.

    Args:
        options: The options of the run or watcher.
        reader: The reader.
        apart: Read every scan in a worker process, however few there are.
    """
    return Engine(reader, workers_of(options), scan_limit_s=options.scan_timeout_s, apart=apart)


def workers_of(options: ReadOptions) -> int:
    """Return how many processes of this machine read; TensorFlow has one, as it uses all cores itself."""
    wanted = 1 if options.runtime == "tensorflow" else options.workers or limits.usable_cores()
    return limits.bound_workers(wanted, options.max_pixels)


def _engine_of(options: RunOptions, reader: Reader, *, in_process: bool) -> Engine | RayEngine:
    if options.engine == "ray":
        from batch.engines.ray import RayEngine  # most runs need no Ray

        return RayEngine(reader, options.workers, options.ray_address, scan_limit_s=options.scan_timeout_s)
    return Engine(reader, 0) if in_process else new_engine(options, reader)


def new_outbox(options: ReadOptions, manifest: Manifest, stats: RunStats) -> Outbox:
    """Return the outbox for the rows. Its ledger gets an entry for the run, from the statistics."""
    stats.model = manifest.version if options.digits == ONE else manifest.numbers_version
    return Outbox(
        options.outbox,
        format_name=options.format,
        rows_per_file=options.rows_per_file,
        with_probabilities=options.probabilities,
        with_numbers=options.digits != ONE,
        after=options.after,
        only_new=_leaves_out_settled(options),
        attempts=options.attempts,
        stats=stats,
        role=Role.WATCHER if isinstance(options, WatchOptions) else Role.RUN,
    )


def _lock(inputs: Inputs, options: RunOptions, resources: ExitStack) -> None:
    """Lock the folders of a run. Each lock is an open file, and a process may usually open 1024."""
    # A run that only looks at single files gets in nobody's way.
    is_reader = options.after is After.LEAVE
    folders, members = inputs.folders, [] if is_reader else inputs.folders_of_files
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(locks.with_parents([*folders, *members])) + FILES_BESIDE_LOCKS
    if soft < needed <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    try:
        resources.enter_context(
            locks.hold_folders(folders, exclusive=not is_reader, recursive=options.recursive, members=members)
        )
    except OSError as error:
        raise InputError(
            f"cannot open {error.filename}: {error.strerror}; name another or fewer folders"
        ) from error
