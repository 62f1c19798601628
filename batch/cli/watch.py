"""The command `digitbox watch`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from batch.cli.options import options as options_of
from batch.cli.run import print_names, set_up_log
from batch.cli.types import LocalPath
from batch.config import INBOX, OF_WATCH, OutputOptions, WatchOptions
from batch.errors import ConfigError, ExitCode
from batch.options import build
from batch.terminal import console

_BY_SCHEDULE = "have digitbox schedule run digitbox run --only-new instead, every hour or night"


@click.command()
@click.argument("inbox", default=INBOX, metavar="[INBOX]", type=LocalPath(_BY_SCHEDULE))
@options_of(*OF_WATCH)
def watch(inbox: Path, **values: Any) -> None:
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
    from batch.watcher import loop

    output = build(OutputOptions, values)
    set_up_log(output, with_times=True)
    if not isinstance(values["outbox"], Path):
        raise ConfigError(f"digitbox watch wants an outbox on a disk, not {values['outbox']}: {_BY_SCHEDULE}")
    options = build(WatchOptions, values, inbox=inbox)
    if output.dry_run:
        print_names(options, loop.find_inputs(options))
        return
    signal_number = loop.watch(options, console.print_line)
    if signal_number == signal.SIGINT:
        raise SystemExit(ExitCode.INTERRUPTED)
