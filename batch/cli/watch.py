"""The command `digitbox watch`."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from batch.cli.config_file import file_of
from batch.cli.options import options as options_of
from batch.cli.options import version_option
from batch.cli.run import print_names, say_config_file, set_up_log
from batch.cli.types import LocalPath
from batch.cli.variables import warn_of_unknown
from batch.config import OF_WATCH, NotifyOptions, OutputOptions, ServiceOptions, WatchOptions
from batch.errors import ConfigError, ExitCode, RunError
from batch.locations import absolute
from batch.monitoring import notify
from batch.options import build
from batch.terminal import console
from batch.terminal.log import event
from batch.text import text_cell

if TYPE_CHECKING:
    from batch.inference.reader import Reader
    from batch.monitoring.news import State
    from batch.watcher.signals import StopSignal

_log = logging.getLogger(__name__)

_BY_SCHEDULE = "use digitbox schedule instead, to call digitbox run --only-new every hour or night"


class WatcherOptions(NamedTuple):
    """All options of a watcher."""

    options: WatchOptions
    notifications: NotifyOptions
    service: ServiceOptions
    output: OutputOptions

    @property
    def places(self) -> tuple[Path, Path]:
        """Return the inbox and the outbox."""
        return self.options.inbox, self.options.outbox


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
    from batch.watcher.inbox import find_inputs
    from batch.watcher.signals import StopSignal

    stop = StopSignal()
    with stop.listen():
        set_up_log(build(OutputOptions, values), with_times=True)
        warn_of_unknown()
        say_config_file()
        planned = build_options(folder, values)
        if planned.output.dry_run:
            print_names(planned.options, find_inputs(planned.options), planned.output)
        else:
            _watch_on(planned, stop, folder, values)
    if stop.number == signal.SIGINT:
        raise SystemExit(ExitCode.INTERRUPTED)


def _watch_on(planned: WatcherOptions, stop: StopSignal, folder: Path | None, values: dict[str, Any]) -> None:
    """Watch until a signal to stop; after SIGHUP, begin anew.

    If the new options or the model fail, the watcher goes on with the last ones with which it has watched. A
    folder that it has watched may be gone at that moment, e.g. with its share.
    """
    from batch.monitoring.news import State

    good: WatcherOptions | None = None
    good_reader: Reader | None = None
    state = State()
    reader = _watch(planned, stop, state)
    while stop.must_reload and not stop.number:
        stop.must_reload = False
        if state.is_watching:
            good, good_reader = planned, reader
        new, state = _reload(folder, values), State(unnoted=state.unnoted)
        planned = new or planned
        try:
            if planned == good:
                with suppress(ConfigError):  # the log file is that before, and may come back
                    set_up_log(planned.output, with_times=True)
            else:
                set_up_log(planned.output, with_times=True)
            if new is not None:
                say_config_file()
            goes_on = good is not None and planned.places == good.places
            reader = _watch(planned, stop, state, goes_on=goes_on)
        except RunError as error:
            if state.is_watching or good is None:
                raise
            with suppress(ConfigError):
                set_up_log(good.output, with_times=True)
            _say_kept("options and the model", str(error))
            planned, state = good, State(unnoted=state.unnoted)
            reader = _watch(planned, stop, state, good_reader, goes_on=True)


def _reload(folder: Path | None, values: dict[str, Any]) -> WatcherOptions | None:
    """Return the options with what `digitbox.toml` says now; None, and a message, if it is wrong.

    Args:
        folder: The inbox, if it was named.
        values: The options of the start by key; those of the command line stay.
    """
    context = click.get_current_context()
    root = context.find_root()
    try:
        root.invoke(root.command.callback, **root.params)  # type: ignore[arg-type]
        params = context.command.make_context("watch", [], parent=root).params
        by_user = ParameterSource.COMMANDLINE
        planned = build_options(
            folder,
            {
                key: value if context.get_parameter_source(key) is by_user else params[key]
                for key, value in values.items()
            },
        )
        if planned.output.dry_run:
            raise ConfigError(f"{root.obj}: dry-run reads nothing: leave it out")
    except click.ClickException as error:
        _say_kept("options", f"{file_of(error)}{error.format_message().rstrip('.')}")
        return None
    except RunError as error:
        _say_kept("options", str(error))
        return None
    return planned


def _say_kept(what: str, why: str) -> None:
    _log.error(f"the {what} stay as they were: {why}", extra=event("reload"))


def build_options(folder: Path | None, values: dict[str, Any]) -> WatcherOptions:
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
    notify.check(notifications, options.outbox, values["log_file"])
    service = build(ServiceOptions, values)
    if service.metrics_listen is not None:
        from batch.monitoring import metrics_server  # most watchers serve no metrics

        metrics_server.check(service.metrics_listen)
    return WatcherOptions(options, notifications, service, build(OutputOptions, values))


def _watch(
    planned: WatcherOptions,
    stop: StopSignal,
    state: State,
    reader: Reader | None = None,
    *,
    goes_on: bool = False,
) -> Reader:
    """Watch with these options until a signal comes.

    Args:
        planned: The options.
        stop: The signal.
        state: The state of the watcher, which it sets.
        reader: Reads the scans; None for a new one, with the model as it is now.
        goes_on: See `loop.watch`.

    Returns:
        The reader.
    """
    from batch.monitoring.news import News
    from batch.run import job
    from batch.watcher import loop

    options = planned.options
    stats = job.new_stats(options)
    with ExitStack() as resources:
        observe: Callable[[float], object] | None = None
        if planned.service.metrics_listen is not None:
            from batch.monitoring import metrics_server

            collector = metrics_server.MetricsCollector(stats, state, text_cell(absolute(options.outbox)))
            resources.enter_context(metrics_server.serve(collector, planned.service.metrics_listen))
            observe = collector.observe
        news = News(stats, state, planned.notifications, options.outbox, console.print_line, observe)
        resources.enter_context(news)
        reader = reader or job.new_reader(options)[0]
        loop.watch(options, reader, stats, news, stop, goes_on=goes_on)
    return reader
