"""The command `digitbox run`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from batch.cli.options import input_argument, version_option
from batch.cli.options import options as options_of
from batch.cli.variables import warn_of_unknown
from batch.config import OF_RUN, NotifyOptions, OutputOptions, ReadOptions, RunOptions
from batch.errors import ConfigError, InputError, OutboxError
from batch.inputs.find import Inputs
from batch.inputs.names import Skipped
from batch.locations import with_state_folder
from batch.monitoring import notify
from batch.monitoring import summary as summaries
from batch.options import build
from batch.records import Outcome
from batch.run import job
from batch.terminal import console, log
from batch.terminal.log import event
from batch.text import text_cell

_log = logging.getLogger(__name__)


@click.command()
@input_argument
@options_of(*OF_RUN)
@version_option
def run(inputs: tuple[str, ...], **values: Any) -> None:
    """Read scans and write a row for each to a CSV in the outbox.

    INPUT is a file, a folder or a quoted glob, e.g. 'scans/**/*.png'. In a folder, digitbox reads images and
    PDFs; each page is a row. Without INPUT it reads that of --inbox. INPUT and the outbox may also be in
    object storage, e.g. s3://bucket/scans/. digitbox leaves the scans where they are; --after changes that.
    It prints the paths of the results. If a run is killed, what it published stays. The next run with
    --only-new reads the other scans, and those that failed for a reason that may pass.

    \b
    Examples:
      digitbox run
      digitbox run form-boxes/ --outbox results/ --probabilities
      digitbox run 'scans/2024-*/*.tif' --review-below 0.9
      digitbox run --only-new --max-time 6h        # every night
      digitbox run s3://bucket/scans/ --outbox s3://bucket/results/
    """
    output = build(OutputOptions, values)
    set_up_log(output)
    warn_of_unknown()
    say_config_file()
    options, notifications = build_options(inputs, values)
    outbox = options.outbox
    if output.dry_run:
        print_names(options, job.find(options), output)
        return
    stats = job.new_stats(options)
    with notify.notify_at_end(stats, notifications, outbox, console.print_line):
        scans = job.find(options)
        total = None if output.quiet or not console.has_terminal() else sum(1 for _ in scans)
        if output.verbose:
            scans.show_skipped = _log_skipped
        try:
            with console.progress(total and min(total, options.max_files or total)) as advance:

                def show(outcomes: list[Outcome]) -> None:
                    advance(sum(outcome.is_last_page for outcome in outcomes))
                    if output.verbose:
                        summaries.log_problems(outcomes)

                job.run(options, scans, show, stats)
        except BaseException:
            with contextlib.suppress(OutboxError):  # of stdout: it must not hide why the run ends
                _print_paths(stats.results, notifications)  # the next run prints only its own
            raise
        try:  # whoever reads the paths may take the results away at once
            page = _write_page(stats.results, output) if values["report"] and stats.results else None
        finally:
            _print_paths(stats.results, notifications)
            summaries.log_end(stats, options)
        if page is not None:
            _log.info(f"report: {page}", extra=event("report", path=str(page)))
    if stats.exit_code:
        raise SystemExit(stats.exit_code)


def _print_paths(results: Sequence[Path | str], notifications: NotifyOptions) -> None:
    """Print the paths of the files of results, if no summary goes to stdout instead."""
    if notifications.summary != notify.STDOUT:
        for path in results:
            console.print_line(path)


def _write_page(results: Sequence[Path | str], output: OutputOptions) -> Path | None:
    """Write the report of a run; None if somebody has taken its results away already."""
    from batch.cli.report import write_report

    try:
        return write_report(tuple(map(Path, results)), quiet=output.quiet)
    except InputError as error:
        _log.warning(f"there is no report: {error}", extra=event("report"))
        return None


def build_options(inputs: tuple[str, ...], values: dict[str, Any]) -> tuple[RunOptions, NotifyOptions]:
    """Return the options of a run.

    Args:
        inputs: What to read; empty for the inbox.
        values: The options by key.

    Raises:
        ConfigError: They cannot be right.
    """
    outbox = with_state_folder(values["outbox"], values["state"])
    options = build(RunOptions, values, inbox=values["inbox"], inputs=inputs, outbox=outbox)
    if values["report"] and not isinstance(outbox, Path):
        raise ConfigError("--report needs an outbox on a disk: leave it out, or give --outbox DIR")
    notifications = build(NotifyOptions, values)
    notify.check(notifications, outbox, values["log_file"])
    return options, notifications


def set_up_log(output: OutputOptions, *, with_times: bool = False) -> None:
    """Set the log up as the options of a command say.

    Raises:
        ConfigError: The log file cannot be opened.
    """
    log.set_up(
        log_format=output.log_format,
        quiet=output.quiet,
        verbose=output.verbose,
        with_times=with_times,
        file=output.log_file,
    )


def say_config_file() -> None:
    """Log the file that gave options to the command, if there is one."""
    if config_file := click.get_current_context().find_root().obj:
        _log.info(f"options: {config_file}", extra=event("options", file=text_cell(str(config_file))))


def print_names(options: ReadOptions, scans: Inputs, output: OutputOptions) -> None:
    """Print what digitbox would read, a name a line; with --verbose, log what it skips."""
    if output.verbose:
        scans.show_skipped = _log_skipped
    for ref in job.preview(options, scans):
        if not console.print_line(text_cell(ref.name)):
            break


def _log_skipped(skipped: Skipped) -> None:
    """Log the path of a file or folder that digitbox skips."""
    name = text_cell(skipped.shown)
    _log.debug(f"{name}: skipped, {skipped.why}", extra=event("skipped", file=name, reason=skipped.why))
