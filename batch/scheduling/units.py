"""A scheduled run as text for systemd, cron and the Task Scheduler of Windows."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from datetime import time as time_of_day
from xml.etree import ElementTree

from batch.errors import ConfigError

DAY, HOUR = "day", "hour"  # values of `Job.every` beside the weekdays
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MADE_BY = "# Made by digitbox schedule: changes are lost when it is installed again."  # first line of a unit
MAX_DAYS = 366  # of `missing_days`; the clock changes come again within a year

_UNWRITABLE = ("Cc", "Cn", "Cs", "Zl", "Zp")  # Unicode categories: controls, surrogates, line separators
_TASKS = "http://schemas.microsoft.com/windows/2004/02/mit/task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command and the times at which it runs.

    Attributes:
        name: Name of the units, the line or the task.
        command: Absolute path of the program, and its arguments.
        folder: Absolute path of the folder in which the command runs.
        at: Local time; if the job runs every hour, only the minute counts.
        every: `day`, `hour`, or one or more of `WEEKDAYS`.

    Raises:
        ConfigError: A word has characters that a unit or a crontab cannot hold.
    """

    name: str
    command: tuple[str, ...]
    folder: str
    at: time_of_day
    every: tuple[str, ...] = (DAY,)

    def __post_init__(self) -> None:
        """Check that a unit and a crontab can hold every word."""
        for word in (*self.command, self.folder):
            if any(unicodedata.category(character) in _UNWRITABLE for character in word):
                raise ConfigError(f"cannot schedule {word!r}: it has control characters or is no UTF-8")

    @property
    def weekdays(self) -> list[int]:
        """Numbers of the weekdays, Monday 0; empty if the job runs every day or hour."""
        return [number for number, name in enumerate(WEEKDAYS) if name in self.every]

    def when(self) -> str:
        """Return the times in words, e.g. `every Monday at 02:30`."""
        if HOUR in self.every:
            return f"every hour at minute {self.at.minute}"
        days = " and ".join(WEEKDAYS[number].capitalize() for number in self.weekdays) or DAY
        return f"every {days} at {self.at:%H:%M}"


def systemd_units(job: Job) -> dict[str, str]:
    """Return the text of the service and the timer by file name.

    Args:
        job: The command and its times.

    Raises:
        ConfigError: The path of the program has a character that systemd does not accept there.
    """
    program, *arguments = job.command
    if set(program) & set("\"'\\"):
        raise ConfigError(
            f"systemd accepts no quotes or backslashes in the path of a program, e.g. {program}: use --cron"
        )
    words = [_systemd_word(program), *(_systemd_word(word).replace("$", "$$") for word in arguments)]
    # systemd drops a blank at the end of a line, and takes a backslash there for a line that goes on.
    folder = job.folder.replace("%", "%%") + ("/" if job.folder[-1] in " \\" else "")
    days = ",".join(WEEKDAYS[number][:3].capitalize() for number in job.weekdays)
    hour = "*" if HOUR in job.every else f"{job.at:%H}"
    service = f"""\
{MADE_BY}
[Unit]
Description=digitbox reads scans

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={" ".join(words)}
NoNewPrivileges=yes
Nice=10
"""
    timer = f"""\
{MADE_BY}
[Unit]
Description=digitbox reads scans, {job.when()}

[Timer]
OnCalendar={f"{days} " if days else ""}*-*-* {hour}:{job.at:%M}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{job.name}.service": service, f"{job.name}.timer": timer}


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if re.fullmatch(r"[\w/.,:=@+%-]+", escaped, re.ASCII) else f'"{escaped}"'


def cron_mark(name: str) -> str:
    """Return the end of the crontab line of a job. It is a comment for the shell, and names the job."""
    return f" # digitbox schedule: {name}"


def cron_line(job: Job) -> str:
    """Return the line for a crontab, without a newline."""
    hour = "*" if HOUR in job.every else str(job.at.hour)
    days = ",".join(str((number + 1) % 7) for number in job.weekdays) or "*"
    command = f"cd {shlex.quote(job.folder)} && {shlex.join(job.command)}"
    # For cron a % ends the command, but \% is a plain one. If the command has its own backslash before the %,
    # an empty pair of quotes between them keeps cron from reading both as one.
    command = re.sub(r"(\\?)%", lambda match: (match[1] and "\\''") + "\\%", command)
    return f"{job.at.minute} {hour} * * {days} {command}{cron_mark(job.name)}"


def windows_task(job: Job, distribution: str, today: date) -> str:
    """Return the XML of a task that starts digitbox in the Windows Subsystem for Linux (WSL).

    Args:
        job: The command and its times.
        distribution: Name of the Linux distribution in WSL; empty for the default one.
        today: First day on which the task may run.

    Raises:
        ConfigError: A word has characters that Windows would replace.
    """
    for word in (*job.command, job.folder):
        if "%" in word or "$(" in word:
            raise ConfigError(f"cannot schedule {word!r} with --windows, which replaces % and $( in it")
    ElementTree.register_namespace("", _TASKS)
    task = ElementTree.Element(f"{{{_TASKS}}}Task", version="1.2")
    trigger = _add(task, "Triggers", "CalendarTrigger")
    if HOUR in job.every:
        repetition = _add(trigger, "Repetition")
        _add(repetition, "Interval").text = "PT1H"
        _add(repetition, "Duration").text = "P1D"
    start = job.at.replace(hour=0) if HOUR in job.every else job.at
    _add(trigger, "StartBoundary").text = f"{today}T{start:%H:%M:%S}"
    if job.weekdays:
        schedule = _add(trigger, "ScheduleByWeek")
        days = _add(schedule, "DaysOfWeek")
        for number in job.weekdays:
            _add(days, WEEKDAYS[number].capitalize())
        _add(schedule, "WeeksInterval").text = "1"
    else:
        _add(trigger, "ScheduleByDay", "DaysInterval").text = "1"
    settings = _add(task, "Settings")
    _add(settings, "MultipleInstancesPolicy").text = "IgnoreNew"
    _add(settings, "StartWhenAvailable").text = "true"
    _add(settings, "ExecutionTimeLimit").text = "PT0S"
    action = _add(task, "Actions", "Exec")
    target = ["--distribution", distribution] if distribution else []
    _add(action, "Command").text = "wsl.exe"
    _add(action, "Arguments").text = subprocess.list2cmdline(
        [*target, "--cd", job.folder, "--exec", *job.command]
    )
    ElementTree.indent(task)
    return ElementTree.tostring(task, encoding="us-ascii", xml_declaration=False).decode() + "\n"


def _add(parent: ElementTree.Element, *names: str) -> ElementTree.Element:
    for name in names:
        parent = ElementTree.SubElement(parent, f"{{{_TASKS}}}{name}")
    return parent


def missing_days(job: Job, today: date) -> list[date]:
    """Return the days of the coming year on which the local clock skips the job's time.

    Args:
        job: A job of days or weekdays, not of every hour.
        today: First day of that year.
    """
    skipped = []
    for number in range(MAX_DAYS):
        day = today + timedelta(days=number)
        if job.weekdays and day.weekday() not in job.weekdays:
            continue
        planned = (*day.timetuple()[:3], job.at.hour, job.at.minute)
        actual = time.localtime(time.mktime((*planned, 0, 0, 0, -1)))
        if actual[3:5] != planned[3:]:
            skipped.append(day)
    return skipped
