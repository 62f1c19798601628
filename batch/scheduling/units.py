"""A run that is to happen again and again, in the words of systemd, cron and Windows' Task Scheduler."""

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

DAY, HOUR = "day", "hour"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MADE_BY = "# Made by digitbox schedule: changes are lost when it is installed again."

_UNWRITABLE = ("Cc", "Cn", "Cs", "Zl", "Zp")
_TASKS = "http://schemas.microsoft.com/windows/2004/02/mit/task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to run when.

    Attributes:
        name: of the units, the line or the task.
        command: absolute path of the program, and its arguments.
        folder: that it runs in.
        at: local time; for every hour, only the minute counts.
        every: `day`, `hour`, or some of `WEEKDAYS`.

    Raises:
        ConfigError: a word has what cannot be written into a unit or a crontab.
    """

    name: str
    command: tuple[str, ...]
    folder: str
    at: time_of_day
    every: tuple[str, ...] = (DAY,)

    def __post_init__(self) -> None:
        """Checks that every word can be written everywhere."""
        for word in (*self.command, self.folder):
            if any(unicodedata.category(character) in _UNWRITABLE for character in word):
                raise ConfigError(f"cannot schedule {word!r}: it has control characters or is no UTF-8")

    @property
    def weekdays(self) -> list[int]:
        """Numbers of its weekdays, Monday 0; empty for every day or hour."""
        return [number for number, name in enumerate(WEEKDAYS) if name in self.every]

    def when(self) -> str:
        """When it runs, for people."""
        if HOUR in self.every:
            return f"every hour at minute {self.at.minute}"
        days = " and ".join(WEEKDAYS[number].capitalize() for number in self.weekdays) or DAY
        return f"every {days} at {self.at:%H:%M}"


def systemd_units(job: Job) -> dict[str, str]:
    """The service and the timer, by file name.

    Raises:
        ConfigError: the path of the program has what systemd does not take there.
    """
    program, *arguments = job.command
    if set(program) & set("\"'\\"):
        raise ConfigError(f"systemd takes no program with quotes in its path, as {program}: use --cron")
    words = [_systemd_word(program), *(_systemd_word(word).replace("$", "$$") for word in arguments)]
    # A blank or a backslash at the end of the line would be lost, or go on with the next.
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
    """What the crontab line of that name ends with; the shell takes it for a comment."""
    return f" # digitbox schedule: {name}"


def cron_line(job: Job) -> str:
    """The line for a crontab."""
    hour = "*" if HOUR in job.every else str(job.at.hour)
    days = ",".join(str((number + 1) % 7) for number in job.weekdays) or "*"
    command = f"cd {shlex.quote(job.folder)} && {shlex.join(job.command)}"
    # For cron, a % ends the command, but for one with a backslash before it, which is taken away. One that
    # has a backslash of its own before it is parted from that.
    command = re.sub(r"(\\?)%", lambda found: (found[1] and "\\''") + "\\%", command)
    return f"{job.at.minute} {hour} * * {days} {command}{cron_mark(job.name)}"


def windows_task(job: Job, distribution: str, today: date) -> str:
    """The task as XML, which starts digitbox in the Windows Subsystem for Linux.

    Args:
        job: what is to run when.
        distribution: of Linux, by its name there; empty for the default one.
        today: from then on.

    Raises:
        ConfigError: a word has what Windows would replace.
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
    where = ["--distribution", distribution] if distribution else []
    _add(action, "Command").text = "wsl.exe"
    _add(action, "Arguments").text = subprocess.list2cmdline(
        [*where, "--cd", job.folder, "--exec", *job.command]
    )
    ElementTree.indent(task)
    return ElementTree.tostring(task, encoding="us-ascii", xml_declaration=False).decode() + "\n"


def _add(parent: ElementTree.Element, *names: str) -> ElementTree.Element:
    for name in names:
        parent = ElementTree.SubElement(parent, f"{{{_TASKS}}}{name}")
    return parent


def missing_days(planned: Job, today: date) -> list[date]:
    """Days of the coming year on which the local clock leaves its time out."""
    missing = []
    for number in range(366):
        day = today + timedelta(days=number)
        if planned.weekdays and day.weekday() not in planned.weekdays:
            continue
        wanted = (*day.timetuple()[:3], planned.at.hour, planned.at.minute)
        found = time.localtime(time.mktime((*wanted, 0, 0, 0, -1)))
        if found[3:5] != wanted[3:]:
            missing.append(day)
    return missing
