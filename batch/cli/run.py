"""The command `digitbox run`, and what it says at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from batch import config
from batch.cli.options import (
    after_option,
    input_argument,
    nightly_options,
    option,
    outbox_option,
    reading_options,
    state_option,
)
from batch.config import DEFAULTS, ReadOptions, RunOptions
from batch.errors import ConfigError
from batch.inputs.find import Inputs
from batch.locations import Location, with_state_folder
from batch.monitoring import summary as summaries
from batch.monitoring.notify import STDOUT, Notifications, notify_at_end
from batch.outbox.run_stats import RunStats
from batch.records import After, Outcome, RunSummary, Status
from batch.run import job
from batch.terminal import console
from batch.terminal.log import LogFile
from batch.text import count, text_cell


@click.command()
@input_argument
@outbox_option("Folder for the results, made if need be; or an address as s3://bucket/results.")
@state_option
@reading_options
@option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default=DEFAULTS["engine"],
    show_default=True,
    help="Where scans are read: on this machine, or on a Ray cluster. ray needs the extra 'ray'.",
)
@option(
    "--ray-address",
    metavar="HOST:PORT|auto",
    help="With --engine ray: the cluster, of which this machine is part; auto finds it.  [default: "
    "RAY_ADDRESS; without that, Ray is started on this machine for this run]",
)
@after_option(DEFAULTS["after"])
@nightly_options
@option("--quiet", is_flag=True, help="Say nothing but errors.")
@option("--report", is_flag=True, help="Write a page to look at the results, too, as of digitbox report.")
def run(
    inputs: tuple[str, ...],
    outbox: Location,
    state: Path | None,
    after: str,
    max_time: float | None,
    summary: Path | None,
    metrics_file: Path | None,
    on_complete: str | None,
    on_failure: str | None,
    ping: str | None,
    dry_run: bool,
    quiet: bool,
    report: bool,
    verbose: bool,
    log_file: Path | None,
    **settings: Any,
) -> None:
    """Read scans, and write one row for each to a CSV in the outbox.

    INPUT is a file, a folder (searched for image files) or a quoted glob such as 'scans/**/*.png'; without
    any, the folder inbox/ is read. It may be in object storage, as s3://bucket/scans/, and so may the outbox.
    The inputs are left where they are, unless --after says otherwise. Printed are the files of results. What
    was published stays, should a run be killed; the next one with --only-new reads the rest, and what failed
    for a reason that may pass.

    \b
    Examples:
      digitbox run
      digitbox run form-boxes/ --outbox results/ --probabilities
      digitbox run 'scans/2024-*/*.tif' --review-below 0.9
      digitbox run --only-new --max-time 6h        every night
      digitbox run s3://bucket/scans/ --outbox s3://bucket/results/
    """
    console.set_up(LogFile(log_file) if log_file else None, quiet=quiet)
    outbox = with_state_folder(outbox, state)
    options = RunOptions(inputs=inputs, outbox=outbox, after=After(after), max_time_s=max_time, **settings)
    if report and not isinstance(outbox, Path):
        raise ConfigError("--report wants an outbox on a disk: leave it out, or give --outbox DIR")
    audience = Notifications(
        outbox=options.outbox,
        summary=summary,
        metrics_file=metrics_file,
        on_complete=on_complete,
        on_failure=on_failure,
        ping=ping,
    )
    audience.check()
    if dry_run:
        print_names(options, job.find(options))
        return
    account = job.new_stats(options)
    with notify_at_end(account, audience):
        found = job.find(options)
        total = None if quiet or not console.has_terminal() else sum(1 for _ in found)
        with console.progress(total and min(total, options.max_files or total)) as advance:

            def watcher(outcomes: list[Outcome]) -> None:
                advance(len(outcomes))
                if verbose:
                    say_problems(outcomes)

            job.run(options, found, watcher, account)
        if summary != STDOUT:
            for path in account.results:
                console.print_line(path)
        say_end(account, options)
        if report and account.results:
            from batch.cli.report import write_report

            console.say(f"report: {write_report(tuple(map(Path, account.results)), quiet=quiet)}")
    if account.exit_code:
        raise SystemExit(account.exit_code)


def print_names(options: ReadOptions, found: Inputs) -> None:
    """Prints what would be read, a name a line."""
    for ref in job.preview(options, found):
        if not console.print_line(text_cell(ref.name)):
            break


def say_problems(outcomes: list[Outcome]) -> None:
    """A line for each scan that is not ok."""
    for outcome in outcomes:
        if outcome.status is not Status.OK:
            reason = outcome.reason.value if outcome.reason else ""
            console.say(f"{outcome.ref.name}: {outcome.status.value}, {reason}")


def say_end(account: RunStats, options: RunOptions) -> None:
    """What a run comes to: a line or two, and one for each thing that somebody should look at."""
    found = account.summary()
    _say_summary(found, options, account.results)
    for sentence in summaries.describe_drift(found):
        console.say_error(f"warning: {sentence}")
    if account.not_disposed:
        console.say_error(f"{account.not_disposed}; the next run tries again")


def _say_summary(found: RunSummary, options: RunOptions, results: Sequence[Path | str]) -> None:
    skipped = f" ({count(found.skipped, 'other file')} skipped)" if found.skipped else ""
    if found.settled:
        skipped = f"; {found.settled} had their row before{skipped}"
    if not found.rows:
        where = " ".join([*options.inputs[:3], *["..."][: len(options.inputs) > 3]]) or config.INBOX
        new = "new " if options.only_new else ""
        console.say(f"nothing to do: no {new}image files in {where}{skipped}")
        return
    console.say(f"{summaries.describe(found)}{skipped}; {found.seconds:.1f} s, {found.rate:,.0f} images/s")
    console.say(f"results: {results[0] if len(results) == 1 else f'{len(results)} files'}")
