"""One run: find, read, stage, publish, summarise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from batch import engines
from batch.config import INBOX, RunOptions
from batch.files import artefact, tables
from batch.files.inbox import Inputs
from batch.files.outbox import Outbox
from batch.flow import Reader
from batch.records import Manifest, Outcome, RunSummary, Status

Watcher = Callable[[list[Outcome]], None]
"""Is shown the outcomes as they come."""


def find(options: RunOptions) -> Inputs:
    """Finds what is to be read.

    Raises:
        InputError: an input is not there.
    """
    return Inputs(options.inputs or (INBOX,), options.recursive, options.outbox)


def run(options: RunOptions, inputs: Inputs, watcher: Watcher) -> RunSummary:
    """Reads all inputs and publishes one row for each.

    Raises:
        MissingExtraError: the format or the runtime needs an extra that is not installed.
        ModelError: the model is missing or damaged.
        OutboxError: the outbox cannot be written.
        BusyError: another process writes to it.
    """
    started = time.monotonic()
    tables.check_format(options.format)
    reader, manifest = _reader(options)
    counts: Counter[Status] = Counter()
    with Outbox(
        options.outbox,
        format_name=options.format,
        rows_per_file=options.rows_per_file,
        model=manifest.version,
        with_probabilities=options.probabilities,
    ) as outbox:
        for outcomes in _read(reader, inputs, options):
            for outcome in outcomes:
                outbox.add(outcome)
                counts[outcome.status] += 1
            watcher(outcomes)
    seconds = time.monotonic() - started
    return RunSummary(counts, inputs.skipped, tuple(outbox.published), seconds)


def _reader(options: RunOptions) -> tuple[Reader, Manifest]:
    """Builds the reader, having checked that it can be loaded where the work will run."""
    folder = artefact.find(options.model)
    reader = Reader(folder, options.runtime, options.review_below, options.max_pixels)
    return reader, reader.check()


def _read(reader: Reader, inputs: Inputs, options: RunOptions) -> Iterable[list[Outcome]]:
    workers = options.workers or engines.usable_cores()
    if options.runtime == "tensorflow":
        workers = 1  # it takes all cores itself, and cannot be forked
    return engines.map_batches(reader, inputs, options.batch_size, workers)
