"""The command `digitbox watch`."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from batch.cli.options import options as options_of
from batch.cli.options import version_option
from batch.cli.run import print_names, set_up_log
from batch.cli.types import LocalPath
from batch.config import OF_WATCH, NotifyOptions, OutputOptions, ServiceOptions, WatchOptions
from batch.errors import ConfigError, ExitCode, RunError
from batch.locations import absolute
from batch.monitoring import notify
from batch.options import build
from batch.terminal import console
from batch.terminal.log import event
from batch.text import text_cell

if TYPE_CHECKING:
    from batch.monitoring.news import State
    from batch.watcher.signals import StopSignal

_log = logging.getLogger(__name__)

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
    it at once. After SIGHUP, it reads digitbox.toml again and opens its log anew.

    \b
    Examples:
      digitbox watch
      digitbox watch /srv/scans --outbox /srv/digits --log-format json
    """
    from batch.monitoring.news import State
    from batch.watcher.signals import StopSignal

    context = click.get_current_context()
    stop = StopSignal()
    with stop.listen():
        _watch(folder, values, stop, State())
        while stop.must_reload and not stop.number:
            stop.must_reload = False
            before, values, state = values, _reload(context, folder, values), State()
            try:
                _watch(folder, values, stop, state)
            except RunError as error:
                if state.is_watching or values == before:
                    raise
                set_up_log(build(OutputOptions, before), with_times=True)
                _say_kept(str(error))
                values = before
                _watch(folder, values, stop, State())
    if stop.number == signal.SIGINT:
        raise SystemExit(ExitCode.INTERRUPTED)


def _reload(context: click.Context, folder: Path | None, values: dict[str, Any]) -> dict[str, Any]:
    """Return the options with what `digitbox.toml` says now; those before if it is wrong."""
    root = context.find_root()
    try:
        root.invoke(root.command.callback, **root.params)  # type: ignore[arg-type]
        params = context.command.make_context("watch", [], parent=root).params
        given = ParameterSource.COMMANDLINE
        anew = {
            key: value if context.get_parameter_source(key) is given else params[key]
            for key, value in values.items()
        }
        build_options(folder, anew)
    except (click.ClickException, RunError) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _say_kept(text)
        return values
    return anew


def _say_kept(why: str) -> None:
    _log.error(f"the options stay as they were: {why}", extra=event("reload"))


def build_options(
    folder: Path | None, values: dict[str, Any]
) -> tuple[WatchOptions, NotifyOptions, ServiceOptions]:
    """Return the options of a watcher.

    Args:
        folder: The inbox, if it was named.
        values: The options by key.

    Raises:
        ConfigError: They cannot be right.
    """
    if not isinstance(values["outbox"], Path):
        raise ConfigError(f"digitbox watch needs an outbox on a disk, not {values['outbox']}: {_BY_SCHEDULE}")
    inbox = folder or LocalPath(_BY_SCHEDULE).convert(values["inbox"], None, click.get_current_context())
    options = build(WatchOptions, values, inbox=inbox)
    notifications = build(NotifyOptions, values)
    notify.check(notifications, options.outbox)
    service = build(ServiceOptions, values)
    if service.metrics_listen is not None:
        from batch.monitoring import metrics_server  # most watchers serve no metrics

        metrics_server.check(service.metrics_listen)
    return options, notifications, service


def _watch(folder: Path | None, values: dict[str, Any], stop: StopSignal, state: State) -> None:
    """Watch with these options until a signal comes."""
    from batch.monitoring.news import News
    from batch.run import job
    from batch.watcher import inbox as inbox_of
    from batch.watcher import loop

    output = build(OutputOptions, values)
    set_up_log(output, with_times=True)
    options, notifications, service = build_options(folder, values)
    if output.dry_run:
        print_names(options, inbox_of.find_inputs(options))
        return
    stats = job.new_stats(options)
    with ExitStack() as resources:
        observe: Callable[[float], object] | None = None
        if service.metrics_listen is not None:
            from batch.monitoring import metrics_server

            server = metrics_server.MetricsServer(stats, state, text_cell(absolute(options.outbox)))
            resources.enter_context(metrics_server.serve(server, service.metrics_listen))
            observe = server.observe
        news = News(stats, state, notifications, options.outbox, console.print_line, observe)
        loop.watch(options, stats, resources.enter_context(news), stop)
