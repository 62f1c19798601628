"""One run: recover, find, read, stage, publish, summarise."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from batch import engines
from batch.config import INBOX, ReadOptions, RunOptions
from batch.engines import Engine
from batch.errors import InputError
from batch.files import artefact, inbox, ledger, locks, tables
from batch.files.inbox import Inputs
from batch.files.ledger import Ledger
from batch.files.outbox import STATE, Outbox
from batch.flow import Reader
from batch.records import After, Manifest, Outcome, RunSummary, ScanRef, Status

Watcher = Callable[[list[Outcome]], None]
"""Is shown the outcomes as they come."""

OTHER_FILES = 200  # that may be open beside the folders'


def find(options: RunOptions) -> Inputs:
    """Finds what is to be read.

    Raises:
        InputError: an input is not there.
    """
    return Inputs(options.inputs or (INBOX,), options.recursive, options.outbox, options.ignore)


def run(options: RunOptions, inputs: Inputs, watcher: Watcher) -> RunSummary:
    """Reads all inputs, or those that have no row yet, and publishes one row for each.

    Raises:
        MissingExtraError: the format or the runtime needs an extra that is not installed.
        ModelError: the model is missing or damaged.
        OutboxError: the outbox cannot be written.
        LedgerError: its ledger is damaged.
        BusyError: another process writes to it, or reads the same folder to move or delete its scans.
        InputError: a folder is gone.
    """
    started = time.monotonic()
    tables.check_format(options.format)
    reader, manifest = new_reader(options)
    counts: Counter[Status] = Counter()
    with ExitStack() as held:
        _hold(inputs.folders, options, held)
        outbox = held.enter_context(new_outbox(options, manifest))
        engine = held.enter_context(new_engine(options, reader))
        refs = _Unsettled(inputs, outbox, options)
        for outcomes in engine.map(refs, options.batch_size):
            outbox.add(outcomes)
            counts.update(outcome.status for outcome in outcomes)
            watcher(outcomes)
        outbox.publish()
    seconds = time.monotonic() - started
    return RunSummary(
        counts, inputs.skipped, refs.settled, tuple(outbox.published), outbox.not_retired, seconds
    )


def would_read(options: ReadOptions, inputs: Inputs) -> Iterator[ScanRef]:
    """Yields what would be read now, and changes nothing.

    Raises:
        LedgerError: the outbox's ledger is damaged.
    """
    folder = options.outbox / STATE
    if not options.only_new or not (folder / ledger.FILE).exists():
        yield from inputs
        return
    with closing(Ledger(folder, read_only=True)) as known:
        yield from (ref for ref in map(inbox.identified, inputs) if not known.is_settled(ref))


def new_reader(options: ReadOptions) -> tuple[Reader, Manifest]:
    """A reader that has been checked: it can be loaded where the work will run."""
    folder = artefact.find(options.model)
    reader = Reader(folder, options.runtime, options.review_below, options.max_pixels)
    return reader, reader.check()


def new_engine(options: ReadOptions, reader: Reader, *, apart: bool = False) -> Engine:
    """What the work is done by."""
    workers = options.workers or engines.usable_cores()
    # TensorFlow takes all cores itself, and cannot be forked.
    return Engine(reader, 1 if options.runtime == "tensorflow" else workers, apart=apart)


def new_outbox(options: ReadOptions, manifest: Manifest) -> Outbox:
    """Where the rows go."""
    return Outbox(
        options.outbox,
        format_name=options.format,
        rows_per_file=options.rows_per_file,
        model=manifest.version,
        with_probabilities=options.probabilities,
        after=options.after,
        only_new=options.only_new,
    )


def _hold(folders: list[Path], options: RunOptions, held: ExitStack) -> None:
    """Takes the locks of folders; each is an open file, and the usual limit of a process is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(folders) + OTHER_FILES
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    for folder in folders:
        busy = f"another digitbox is reading {folder}: wait for it"
        try:
            held.enter_context(locks.held(folder, exclusive=options.after is not After.LEAVE, busy=busy))
        except OSError as error:
            raise InputError(
                f"cannot open {folder}: {error.strerror}; name another or fewer folders"
            ) from error


class _Unsettled:
    """The inputs that are to be read; counts those that have had their row."""

    def __init__(self, inputs: Inputs, outbox: Outbox, options: RunOptions) -> None:
        self._inputs, self._outbox = inputs, outbox
        # Scans that could not be moved or deleted have their row as well.
        self._all = options.after is After.LEAVE and not options.only_new
        self.settled = 0

    def __iter__(self) -> Iterator[ScanRef]:
        if self._all:
            yield from self._inputs
            return
        for ref in map(inbox.identified, self._inputs):
            if self._outbox.settled(ref):
                self.settled += 1
            else:
                yield ref
