"""The command `digitbox watch`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from batch.cli.options import options as options_of
from batch.cli.options import version_option
from batch.cli.run import print_names, set_up_log
from batch.cli.types import LocalPath
from batch.config import OF_WATCH, NotifyOptions, OutputOptions, ServiceOptions, WatchOptions
from batch.errors import ConfigError, ExitCode
from batch.locations import absolute
from batch.monitoring import notify
from batch.options import build
from batch.terminal import console
from batch.text import text_cell

_BY_SCHEDULE = "use digitbox schedule instead, to call digitbox run --only-new every hour or night"


@click.command()
@click.argument("folder", required=False, metavar="[INBOX]", type=LocalPath(_BY_SCHEDULE))
@options_of(*OF_WATCH)
@version_option
def watch(folder: Path | None, **values: Any) -> None:
    """Read the scans in the inbox, and new ones as they arrive.

    INBOX is a folder; without it, digitbox takes that of --inbox. You may copy, move or write files into it,
    also in folders. Each scan gets exactly one row in exactly one CSV of the outbox, whatever ends this
    process. digitbox then moves the scan to done/ or failed/ in the outbox. It prints the path of each CSV
    when it publishes it. It runs until SIGTERM or Ctrl-C, and finishes its batch first; a second signal ends
    it at once.

    \b
    Examples:
      digitbox watch
      digitbox watch /srv/scans --outbox /srv/digits --log-format json
    """
    from batch.monitoring.news import News, State
    from batch.run import job
    from batch.watcher import inbox as inbox_of
    from batch.watcher import loop

    output = build(OutputOptions, values)
    set_up_log(output, with_times=True)
    if not isinstance(values["outbox"], Path):
        raise ConfigError(f"digitbox watch needs an outbox on a disk, not {values['outbox']}: {_BY_SCHEDULE}")
    inbox = folder or LocalPath(_BY_SCHEDULE).convert(values["inbox"], None, click.get_current_context())
    options = build(WatchOptions, values, inbox=inbox)
    notifications, service = build(NotifyOptions, values), build(ServiceOptions, values)
    notify.check(notifications, options.outbox)
    if output.dry_run:
        print_names(options, inbox_of.find_inputs(options))
        return
    stats, state = job.new_stats(options), State()
    with ExitStack() as resources:
        observe: Callable[[float], object] | None = None
        if service.metrics_listen is not None:
            from batch.monitoring import metrics_server  # most watchers serve no metrics

            server = metrics_server.MetricsServer(stats, state, text_cell(absolute(options.outbox)))
            resources.enter_context(metrics_server.serve(server, service.metrics_listen))
            observe = server.observe
        news = News(stats, state, notifications, options.outbox, console.print_line, observe)
        signal_number = loop.watch(options, stats, resources.enter_context(news))
    if signal_number == signal.SIGINT:
        raise SystemExit(ExitCode.INTERRUPTED)
