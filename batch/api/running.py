"""The function that does for Python programs what the command `digitbox run` does."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from batch.api.arguments import checked, declared, path_text, path_texts
from batch.config import NotifyOptions, RunOptions
from batch.engines.pool import GUARD_ADVICE
from batch.errors import ConfigError
from batch.locations import absolute, check_location, parse_outbox, with_state_folder
from batch.monitoring import notify
from batch.monitoring.summary import log_end
from batch.records import RunSummary, Status
from batch.run import job


def run(
    inputs: str | PathLike[str] | Iterable[str | PathLike[str]],
    outbox: str | PathLike[str],
    **options: Any,
) -> RunSummary:
    """Read scans and write a row for each to a CSV in the outbox, as the command `digitbox run` does.

    It prints nothing, and takes no options from the environment or from `digitbox.toml`. What the command
    says at its end goes to the logger `batch`, e.g. a warning of scans that could not be moved.

    Args:
        inputs: Files, folders, globs, or addresses of object storage; or one of them.
        outbox: A folder, or an address of object storage.
        options: Other options of `digitbox run` that concern reading, e.g. `only_new=True`, `after="move"`,
            `workers=2`, `max_failed="2%"`. A duration is in seconds: `max_time_s=3600`. With `workers=1`,
            digitbox reads in this process, and `scan_timeout_s` does not count.

    Returns:
        What the run came to: counts by status and reason, seconds, exit code, paths of the files of results.

    Raises:
        ConfigError: There are no inputs, or an option is unknown or has a wrong value. Or a new process runs
            the script again, which has no `if __name__ == "__main__":`.
        DigitboxError: The run cannot go on; its message says what to do.

    Examples:
        >>> import digitbox, tempfile
        >>> with tempfile.TemporaryDirectory() as outbox:
        ...     summary = digitbox.run(["inbox"], outbox, workers=1)
        >>> summary.counts["ok"] > 5
        True
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as `multiprocessing` itself asks
        raise ConfigError(f"a new process runs this script again: {GUARD_ADVICE}")
    for name, value in options.items():
        if name not in declared():
            raise ConfigError(f"digitbox.run has no option {name}: known are {', '.join(sorted(declared()))}")
        options[name] = checked(name, value)
    state = options.pop("state", None)
    state = None if state is None else Path(state)
    paths = path_texts("inputs", inputs)
    if not paths:  # the command reads its inbox then, and --after would empty it
        raise ConfigError("no inputs: name at least one file or folder")
    run_options = RunOptions(
        inputs=tuple(map(check_location, paths)),
        outbox=with_state_folder(parse_outbox(path_text("outbox", outbox)), state),
        **options,
    )
    stats = job.new_stats(run_options)
    with notify.notify_at_end(stats, NotifyOptions(), run_options.outbox, print):
        in_process = run_options.workers == 1
        job.run(run_options, job.find(run_options), lambda _: None, stats, in_process=in_process)
        log_end(stats, run_options)
    summary = stats.summary()
    counts = {status.value: summary.counts.get(status, 0) for status in Status}
    return dataclasses.replace(summary, counts=counts, results=tuple(map(absolute, stats.results)))
