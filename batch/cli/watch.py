"""The command `digitbox watch`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from batch import config
from batch.cli.options import LocalPath, Number, after_option, option, outbox_option, reading_options
from batch.cli.run import print_names
from batch.config import WATCH_DEFAULTS, WatchOptions
from batch.errors import ConfigError, ExitCode
from batch.locations import Location
from batch.records import After
from batch.terminal import console
from batch.terminal.log import Log, LogFile

_BY_SCHEDULE = "have digitbox schedule run digitbox run --only-new instead, every hour or night"


@click.command()
@click.argument("inbox", default=config.INBOX, metavar="[INBOX]", type=LocalPath(_BY_SCHEDULE))
@outbox_option("Folder for the results; made if need be.", metavar="DIR")
@reading_options
@after_option(WATCH_DEFAULTS["after"])
@option(
    "--settle",
    type=Number(0),
    metavar="S",
    default=WATCH_DEFAULTS["settle_s"],
    show_default=True,
    help="Seconds for which a file must not have changed before it is read.",
)
@option(
    "--max-wait",
    type=Number(0),
    metavar="S",
    default=WATCH_DEFAULTS["max_wait_s"],
    show_default=True,
    help="Seconds that a scan may wait for others to share a CSV with; more while many arrive.",
)
@option(
    "--rescan",
    type=Number(0.1),
    metavar="S",
    default=WATCH_DEFAULTS["rescan_s"],
    show_default=True,
    help="Seconds between two looks at the whole inbox, in case that an event was lost.",
)
@option(
    "--poll",
    type=Number(0.1),
    metavar="S",
    help="Go by looks alone, every so many seconds: for network folders.",
)
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How stderr says what happens: a sentence a line, or a JSON object a line.",
)
@option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
def watch(
    inbox: Path,
    outbox: Location,
    after: str,
    settle: float,
    max_wait: float,
    rescan: float,
    poll: float | None,
    log_format: str,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    log_file: Path | None,
    **settings: Any,
) -> None:
    """Read what is in the inbox and whatever arrives.

    It goes on until it is told to stop. INBOX is a folder; inbox/ without it. Each scan gets exactly one row
    in exactly one CSV of the outbox, and is moved to done/ or failed/ there, whatever ends this process.
    Files may be copied, moved or written into the inbox, in folders, too. Printed is each CSV when it is
    published. SIGTERM and Ctrl-C end it when the batch is done; a second one, at once.

    \b
    Examples:
      digitbox watch
      digitbox watch /srv/scans --outbox /srv/digits --log-format json
    """
    from batch.watcher.loop import find_inputs
    from batch.watcher.loop import watch as serve

    file = LogFile(log_file) if log_file else None
    console.set_up(file)
    if not isinstance(outbox, Path):
        raise ConfigError(f"digitbox watch wants an outbox on a disk, not {outbox}: {_BY_SCHEDULE}")
    options = WatchOptions(
        inbox=inbox,
        outbox=outbox,
        after=After(after),
        settle_s=settle,
        max_wait_s=max_wait,
        rescan_s=rescan,
        poll_s=poll,
        **settings,
    )

    if dry_run:
        print_names(options, find_inputs(options))
        return

    def show(path: Path) -> None:
        console.print_line(path)  # nobody need read them: the results are in the outbox

    log = Log(as_json=log_format == "json", quiet=quiet, verbose=verbose, file=file)
    number = serve(options, log, show)
    if number == signal.SIGINT:
        raise SystemExit(ExitCode.INTERRUPTED)
