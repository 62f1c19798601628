"""The command `digitbox schedule`: runs every night by systemd, cron or Windows, or a watcher by systemd."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batch.cli import run, watch
from batch.cli.config_file import read_config
from batch.cli.options import given_value
from batch.clock import is_duration, parse_duration
from batch.config import ReadOptions, RunOptions
from batch.errors import ConfigError, InputError, ModelError, RunError
from batch.inputs.find import absolute_input
from batch.locations import absolute, is_remote, remote_state_folder
from batch.records import After
from batch.results import schema
from batch.run import job
from batch.scheduling import install
from batch.scheduling.units import (
    DAY,
    WEEKDAYS,
    Job,
    Service,
    cron_line,
    missing_days,
    parse_interval,
    systemd_units,
    watcher_unit,
    windows_task,
)
from batch.terminal import console, log

NAME, WATCHER = "digitbox-nightly", "digitbox-watch"
HOUR = "hour"  # an interval with a name
STORE_VARIABLES = ("AWS_", "AZURE_", "FSSPEC_", "GOOGLE_")
SYSTEMD, CRON, WINDOWS = "systemd", "cron", "windows"


def _time(_: click.Context, __: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    match = re.fullmatch(r"(\d\d?):(\d\d)", text, re.ASCII)
    try:
        if match:
            return datetime.min.replace(hour=int(match[1]), minute=int(match[2])).time()
    except ValueError:
        pass
    raise click.BadParameter(f"{text!r} is no time of the day: give one such as 02:30")


def _times(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, ...], int | None]:
    """Return the days of a schedule, and the minutes between two runs, if it has an interval."""
    words = [word.strip().lower() for text in texts for word in text.split(",")]
    names = []
    for word in words:
        weekdays = [name for name in WEEKDAYS if len(word) >= 3 and name.startswith(word)]
        if is_duration(word):
            if len(words) > 1:
                raise click.BadParameter("an interval stands alone")
            try:
                if parse_duration(word) == timedelta(days=1):
                    return (DAY,), None
                return (), parse_interval(word)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error
        if word not in (DAY, HOUR) and not weekdays:
            raise click.BadParameter(
                f"{word!r}: give day, hour, an interval such as 15m, or weekdays such as mon,thu"
            )
        names += weekdays or [word]
    if len(set(names)) > 1 and {DAY, HOUR} & set(names):
        raise click.BadParameter("day and hour stand alone")
    if HOUR in names:
        return (), 60
    return tuple(dict.fromkeys(names)) or (DAY,), None


def _name(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        raise click.BadParameter("give letters, digits and dashes")
    return text


def _kind_option(kind: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{kind}", "kinds", multiple=True, flag_value=kind, help=text)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RUN OPTIONS]... [INPUT]...")
@click.option("--at", metavar="HH:MM", callback=_time, help="Local time of the run.")
@click.option(
    "--watch", "does_watch", is_flag=True, help="Keep digitbox watch running instead. It needs systemd."
)
@click.option(
    "--every",
    multiple=True,
    metavar="DAY|DURATION",
    callback=_times,
    help="Run every day, every hour (at the minute of --at), on weekdays, e.g. mon,thu, or in an interval, "
    "e.g. 15m or 6h.  [default: day]",
)
@_kind_option(SYSTEMD, "Use a service and a timer of systemd.")
@_kind_option(CRON, "Use a line of a crontab.")
@_kind_option(WINDOWS, "Use a task of Windows, which starts digitbox in WSL.")
@click.option("--install", "does_install", is_flag=True, help="Install the schedule for this user.")
@click.option("--uninstall", "does_uninstall", is_flag=True, help="Remove what --install installed.")
@click.option(
    "--name",
    callback=_name,
    help=f"Name of the schedule, if you have several.  [default: {NAME}, or {WATCHER} with --watch]",
)
@click.pass_context
def schedule(
    context: click.Context,
    arguments: tuple[str, ...],
    at: Any,
    does_watch: bool,
    every: tuple[tuple[str, ...], int | None],
    kinds: tuple[str, ...],
    does_install: bool,
    does_uninstall: bool,
    name: str | None,
) -> None:
    """Schedule digitbox run for every night, or keep digitbox watch running.

    digitbox prints the units of systemd or the line of cron; with --install, it installs them. Without
    --systemd, --cron or --windows, it takes what this machine has. Give the options and inputs of digitbox
    run as you give them to it. digitbox makes paths absolute, and writes down the values of DIGITBOX_...
    variables. It adds --only-new, except with --after move or delete. With --watch, give the options of
    digitbox watch. systemd starts the watcher now, and again after a crash or a restart of the machine.

    \b
    Examples:
      digitbox schedule --at 02:30
      digitbox schedule --at 02:30 --install scans/ --outbox results/
      digitbox schedule --at 06:00 --every mon,thu --cron
      digitbox schedule --every 15m --install
      digitbox schedule --watch --install /srv/scans --outbox /srv/digits
      digitbox schedule --uninstall
    """
    name = name or (WATCHER if does_watch else NAME)
    kind = _kind(kinds, does_watch, context)
    if does_install and does_uninstall:
        raise click.UsageError("give --install or --uninstall, not both", context)
    if kind == WINDOWS and (does_install or does_uninstall):
        raise ConfigError("install a task in Windows itself: schtasks /Create /TN NAME /XML FILE")
    if does_uninstall:
        console.say(install.remove_units(name) if kind == SYSTEMD else install.remove_line(name))
    elif does_watch:
        if at is not None or context.get_parameter_source("every") is ParameterSource.COMMANDLINE:
            raise click.UsageError("a watcher runs all the time: leave --at and --every out", context)
        _schedule_watcher(_context_of(watch.watch, arguments, context), arguments, name, does_install)
    else:
        days, interval_min = every
        if at is None and (interval_min is None or interval_min >= 60):
            raise click.UsageError("Missing option '--at'", context)
        run_context = _context_of(run.run, arguments, context)
        options, _ = run.build_options(run_context.params["inputs"], run_context.params)  # fails as it would
        planned = Job(
            name=name,
            command=_command(run_context, arguments),
            folder=absolute("."),
            at=at or datetime.min.time(),
            every=days,
            interval_min=interval_min,
        )
        _check_reading(options, run_context.params)
        _schedule_runs(planned, options, kind, does_install)


def _kind(kinds: Sequence[str], does_watch: bool, context: click.Context) -> str:
    """Return what starts digitbox: what the user has chosen, or what this machine has."""
    if len(set(kinds)) > 1:
        raise click.UsageError("give only one of --systemd, --cron and --windows", context)
    if does_watch and {CRON, WINDOWS} & set(kinds):
        raise ConfigError(
            "--watch needs systemd, which keeps the watcher running: leave --cron and --windows out"
        )
    if does_watch or kinds:
        return kinds[0] if kinds else SYSTEMD
    return SYSTEMD if Path("/run/systemd/system").is_dir() else CRON


def _context_of(command: click.Command, arguments: Sequence[str], context: click.Context) -> click.Context:
    """Return the context of another command, as it would be here.

    Raises:
        ConfigError: `digitbox.toml` has an option that the command does not obey, or it would only print.
    """
    group, name = context.find_root(), str(command.name)
    read_config(group.params["config_file"]).check(name)
    try:
        planned = command.make_context(name, list(arguments), parent=group)
    except click.NoSuchOption as error:
        params = [param for each in (context.command, command) for param in each.params]
        options = [param for param in params if isinstance(param, click.Option)]
        known = [flag for option in options for flag in (*option.opts, *option.secondary_opts)]
        close = get_close_matches(error.option_name, known)
        raise click.NoSuchOption(error.option_name, possibilities=close, ctx=context) from error
    except click.BadOptionUsage as error:  # click does not say whose option lacks a value
        error.ctx = click.Context(command, group, name)
        raise
    if planned.params["dry_run"]:
        raise ConfigError(
            "--dry-run reads nothing, every time: leave it out. Without --install, this command only prints"
        )
    return planned


def _schedule_runs(planned: Job, options: RunOptions, kind: str, does_install: bool) -> None:
    """Print or install the schedule of runs."""
    _say_notes(options, planned, kind)
    if does_install:
        for line in install.install(planned, kind == SYSTEMD):
            console.say(line)
    elif kind == CRON:
        console.print_line(cron_line(planned))
    elif kind == WINDOWS:
        distribution = os.environ.get("WSL_DISTRO_NAME", "")
        console.print_line(windows_task(planned, distribution, date.today()).rstrip("\n"))
    else:
        _print_units(systemd_units(planned))


def _schedule_watcher(
    watch_context: click.Context, arguments: Sequence[str], name: str, does_install: bool
) -> None:
    """Print or install the service of a watcher."""
    service = Service(name=name, command=_command(watch_context, arguments), folder=absolute("."))
    inbox = Path(service.command[-1])
    params = watch_context.params
    with watch_context.scope(cleanup=False):  # errors name digitbox watch
        planned = watch.build_options(params["folder"], params)  # fails as the watcher would
    _check_reading(planned.options, params)
    if (address := planned.service.metrics_listen) is not None:
        from batch.monitoring import metrics_server

        _say_failure(lambda: metrics_server.check_host(address), ConfigError)
    if not inbox.is_dir():
        problem = f"the inbox {inbox} is a file" if inbox.is_file() else f"no inbox {inbox}"
        console.say(f"note: as things are now, it would fail: {problem}")
    if does_install:
        for line in install.install(service, True):
            console.say(line)
    else:
        _print_units(watcher_unit(service))


def _print_units(units: dict[str, str]) -> None:
    for file, text in units.items():
        console.print_line(f"# {install.units_folder() / file}\n{text}")


def _command(run_context: click.Context, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the words of the command, for any environment and folder.

    Args:
        run_context: The context of the run, as it would be here.
        arguments: The words that it was made from.
    """
    # The job runs in this folder. It finds a digitbox.toml here by itself, and can refuse it then.
    config_file = run_context.find_root().params["config_file"]
    words = [
        *this_program(),
        *(["--config", _absolute(config_file)] if config_file else []),
        run_context.info_name or "",
    ]
    for option in run_context.command.params:
        if isinstance(option, click.Option) and option.expose_value and option.name != "inbox":
            words += _option_words(option, run_context, arguments)
    params = run_context.params
    if run_context.info_name == "watch":
        return *words, _absolute(params["folder"] or params["inbox"])
    if params["after"] == After.LEAVE and not params["only_new"]:
        words.append("--only-new")
    inputs = params["inputs"] or (params["inbox"],)
    return *words, *map(absolute_input, inputs)


def _option_words(option: click.Option, run_context: click.Context, arguments: Sequence[str]) -> list[str]:
    """Return the words of an option; none if the scheduled run gets the value from its default or file."""
    value = given_value(option, run_context, arguments)
    sources = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    outbox = run_context.params["outbox"]
    if option.name == "state":
        if isinstance(outbox, Path):
            return []
        value = remote_state_folder(value)  # the scheduled run may have another XDG_STATE_HOME
    elif option.name != "outbox" and run_context.get_parameter_source(str(option.name)) not in sources:
        return []
    flag = option.opts[-1]
    if option.is_flag:
        return [flag] if value else option.secondary_opts[:1]
    if option.name == "model" and os.path.isdir(value):
        value = Path(value)
    values = value if option.multiple else (value,)
    return [
        word for item in values for word in (flag, _absolute(item) if isinstance(item, Path) else str(item))
    ]


def _absolute(path: str | Path) -> str:
    return "-" if str(path) == "-" else absolute(str(path))  # stdin or stdout


def this_program() -> list[str]:
    """Return the running program as a command for any folder and PATH."""
    script = shutil.which(sys.argv[0])
    if script and Path(script).name == "digitbox":
        return [_absolute(script)]
    beside = Path(sys.executable).with_name("digitbox")
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", "batch"]


def _say_notes(options: RunOptions, planned: Job, kind: str) -> None:
    """Print notes on what may go otherwise than the user expects."""
    if planned.interval_min is None and kind != WINDOWS:
        for day in missing_days(planned, date.today()):
            result = "leaves that night out" if kind == SYSTEMD else "may leave that night out"
            console.say(f"note: on {day} there is no {planned.at:%H:%M} (clocks go forward): {kind} {result}")
    is_remote_job = any(is_remote(str(place)) for place in (*options.inputs, options.outbox))
    if is_remote_job and (
        variables := sorted(name for name in os.environ if name.startswith(STORE_VARIABLES))
    ):
        console.say(
            f"note: {variables[0]} is not set for the scheduled run: keep credentials and the server in the "
            "files of the store's own tools"
        )
    planned_options = dataclasses.replace(options, only_new=True)  # as the command has it
    _say_failure(lambda: job.find(planned_options), InputError)


def _check_reading(options: ReadOptions, params: dict[str, Any]) -> None:
    """Check the format, the model and the log file; print a note on what may be there in time.

    Raises:
        ConfigError: The options ask for numbers, and the model reads none.
        MissingExtraError: The format needs an extra that is not installed.
    """
    schema.check_format(options.format)
    _say_failure(lambda: job.new_reader(options), ModelError)
    if (file := params["log_file"]) is not None:
        _say_failure(lambda: log.check_file(file), ConfigError)


def _say_failure(check: Callable[[], object], kind: type[RunError]) -> None:
    """Print a note if a check fails now with an error of this kind."""
    try:
        check()
    except kind as error:
        console.say(f"note: as things are now, it would fail: {error}")
