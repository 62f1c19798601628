"""`digitbox run` every night: by systemd, cron or Windows' Task Scheduler."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batch.cli.options import given_value
from batch.config import CONFIG_FILE, INBOX, RunOptions
from batch.errors import ConfigError, InputError
from batch.locations import is_remote, remote_state_folder
from batch.records import After
from batch.run import job
from batch.scheduling import install
from batch.scheduling.units import (
    DAY,
    HOUR,
    WEEKDAYS,
    Job,
    cron_line,
    missing_days,
    systemd_units,
    windows_task,
)
from batch.terminal import console

NAME = "digitbox-nightly"
STORE_VARIABLES = ("AWS_", "AZURE_", "FSSPEC_", "GOOGLE_")
SYSTEMD, CRON, WINDOWS = "systemd", "cron", "windows"


def _time(_: click.Context, __: click.Parameter, text: str | None) -> Any:
    found = None if text is None else re.fullmatch(r"(\d\d?):(\d\d)", text, re.ASCII)
    if text is None:
        return None
    try:
        if found:
            return datetime.min.replace(hour=int(found[1]), minute=int(found[2])).time()
    except ValueError:
        pass
    raise click.BadParameter(f"{text!r} is no time of the day: give one such as 02:30")


def _days(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    words = [word.strip().lower() for text in texts for word in text.split(",")]
    names = []
    for word in words:
        named = [name for name in WEEKDAYS if len(word) >= 3 and name.startswith(word)]
        if word not in (DAY, HOUR) and not named:
            raise click.BadParameter(f"{word!r}: give day, hour, or weekdays such as mon,thu")
        names += named or [word]
    if len(set(names)) > 1 and {DAY, HOUR} & set(names):
        raise click.BadParameter("day and hour stand alone")
    return tuple(dict.fromkeys(names)) or (DAY,)


def _name(_: click.Context, __: click.Parameter, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        raise click.BadParameter("give letters, digits and dashes")
    return text


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RUN OPTIONS]... [INPUT]...")
@click.option("--at", metavar="HH:MM", callback=_time, help="When, in local time.")
@click.option(
    "--every",
    multiple=True,
    metavar="DAY",
    callback=_days,
    help="day, hour (at the minute of --at), or weekdays such as mon,thu.  [default: day]",
)
@click.option("--systemd", "kind", flag_value=SYSTEMD, help="As a service and a timer of systemd.")
@click.option("--cron", "kind", flag_value=CRON, help="As a line of a crontab.")
@click.option("--windows", "kind", flag_value=WINDOWS, help="As a task of Windows, which starts it in WSL.")
@click.option("--install", "does_install", is_flag=True, help="Put it in place for this user.")
@click.option("--uninstall", "does_uninstall", is_flag=True, help="Remove what --install has put in place.")
@click.option("--name", default=NAME, show_default=True, callback=_name, help="Of it, for more than one.")
@click.pass_context
def schedule(
    context: click.Context,
    arguments: tuple[str, ...],
    at: Any,
    every: tuple[str, ...],
    kind: str | None,
    does_install: bool,
    does_uninstall: bool,
    name: str,
) -> None:
    """Have digitbox run read new scans every night.

    Printed is what does that, for systemd or cron; with --install, it is put in place. The options and inputs
    of digitbox run are given as to it. Paths are made absolute, and what DIGITBOX_... variables say here is
    written down. Without --after move or delete, --only-new is added. Without --systemd, --cron or --windows
    it is what this machine has.

    \b
    Examples:
      digitbox schedule --at 02:30
      digitbox schedule --at 02:30 --install scans/ --outbox results/
      digitbox schedule --at 06:00 --every mon,thu --cron
      digitbox schedule --uninstall
    """
    kind = kind or (SYSTEMD if Path("/run/systemd/system").is_dir() else CRON)
    if does_install and does_uninstall:
        raise click.UsageError("give --install or --uninstall, not both", context)
    if kind == WINDOWS and (does_install or does_uninstall):
        raise ConfigError("a task is put in place in Windows: schtasks /Create /TN NAME /XML FILE")
    if does_uninstall:
        said = install.remove_units(name) if kind == SYSTEMD else install.remove_line(name)
        console.say(said)
        return
    if at is None:
        raise click.UsageError("Missing option '--at'", context)
    group = context.find_root()
    assert isinstance(group.command, click.Group)
    run = group.command.get_command(group, "run")
    assert run is not None
    given = run.make_context("run", list(arguments), parent=group)
    options = RunOptions(inputs=given.params["inputs"], outbox=given.params["outbox"])
    planned = Job(name=name, command=_command(given, arguments), folder=_here(), at=at, every=every)
    _say_doubts(options, planned, kind)
    if does_install:
        for line in install.install(planned, kind == SYSTEMD):
            console.say(line)
        return
    if kind == CRON:
        console.print_line(cron_line(planned))
    elif kind == WINDOWS:
        distribution = os.environ.get("WSL_DISTRO_NAME", "")
        console.print_line(windows_task(planned, distribution, date.today()).rstrip("\n"))
    else:
        for file, text in systemd_units(planned).items():
            console.print_line(f"# {install.units_folder() / file}\n{text}")


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise ConfigError("the current folder is gone: change to one that is there") from error


def _command(given: click.Context, arguments: Sequence[str]) -> tuple[str, ...]:
    """The words of the command, for any environment and folder.

    Args:
        given: the run as it would be here.
        arguments: that it was made of.
    """
    config_file = given.find_root().params["config_file"] or Path(CONFIG_FILE)
    words = [*this_program(), *(["--config", _absolute(config_file)] if config_file.exists() else []), "run"]
    for option in given.command.params:
        if isinstance(option, click.Option):
            words += _option_words(option, given, arguments)
    if given.params["after"] == After.LEAVE and not given.params["only_new"]:
        words.append("--only-new")
    return *words, *(_absolute(path) for path in given.params["inputs"] or (INBOX,))


def _option_words(option: click.Option, given: click.Context, arguments: Sequence[str]) -> list[str]:
    """An option as it is in force, unless the scheduled run has it from its default or its file as well."""
    value = given_value(option, given, arguments)
    sources = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    outbox = given.params["outbox"]
    if option.name == "state":
        if isinstance(outbox, Path):
            return []
        value = remote_state_folder(value)  # XDG_STATE_HOME may be another then
    elif option.name != "outbox" and given.get_parameter_source(str(option.name)) not in sources:
        return []
    flag = option.opts[-1]
    if option.is_flag:
        return [flag] if value else option.secondary_opts[:1]
    if option.name == "model" and os.path.isdir(value):
        value = Path(value)
    values = value if option.multiple else (value,)
    return [word for one in values for word in (flag, _absolute(one) if isinstance(one, Path) else str(one))]


def _absolute(path: str | Path) -> str:
    if str(path) == "-":  # stdin or stdout
        return "-"
    return str(path) if is_remote(str(path)) else str(Path(path).absolute())


def this_program() -> list[str]:
    """The program that is running, as a command for any folder and PATH."""
    script = shutil.which(sys.argv[0])
    if script and Path(script).name == "digitbox":
        return [_absolute(script)]
    beside = Path(sys.executable).with_name("digitbox")
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", "batch"]


def _say_doubts(options: RunOptions, planned: Job, kind: str) -> None:
    """Says what may not be as it is meant."""
    if HOUR not in planned.every and kind != WINDOWS:
        for day in missing_days(planned, date.today()):
            then = "leaves that night out" if kind == SYSTEMD else "may leave that night out"
            console.say(f"note: on {day} there is no {planned.at:%H:%M} (clocks go forward): {kind} {then}")
    is_far = any(is_remote(str(place)) for place in (*options.inputs, options.outbox))
    if is_far and (variables := sorted(name for name in os.environ if name.startswith(STORE_VARIABLES))):
        console.say(
            f"note: {variables[0]} is not set for the scheduled run: keep credentials and the server in the "
            "files of the store's own tools"
        )
    try:
        job.find(options)
    except InputError as error:
        console.say(f"note: as things are now, it would fail: {error}")
