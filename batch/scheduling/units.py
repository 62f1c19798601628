"""A scheduled run, or a watcher, as text for systemd, cron and the Task Scheduler of Windows."""

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

from batch.clock import parse_duration
from batch.errors import ConfigError
from batch.text import count

DAY = "day"  # the value of `Job.every` beside the weekdays
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MADE_BY = "# Made by digitbox schedule: changes are lost when it is installed again."  # first line of a unit
MAX_DAYS = 366  # of `missing_days`; the clock changes come again within a year

# What a service of a user may not do: get more rights, or reach more of the system than it needs. It may
# write where the user can, since nobody knows where the commands of --on-complete write.
_RESTRICTIONS = """\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
NAMESPACE_LINES = (
    "PrivateUsers=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=full",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
)
"""Restrictions that need namespaces. Not every machine gives them to the systemd of a user."""

_UNWRITABLE = ("Cc", "Cn", "Cs", "Zl", "Zp")  # Unicode categories: controls, surrogates, line separators
_TASKS = "http://schemas.microsoft.com/windows/2004/02/mit/task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A command that runs all the time.

    Attributes:
        name: Name of the units, the line or the task.
        command: Absolute path of the program, and its arguments.
        folder: Absolute path of the folder in which the command runs.

    Raises:
        ConfigError: A word has characters that a unit or a crontab cannot hold.
    """

    name: str
    command: tuple[str, ...]
    folder: str

    def __post_init__(self) -> None:
        """Check that a unit and a crontab can hold every word."""
        for word in (*self.command, self.folder):
            if any(unicodedata.category(character) in _UNWRITABLE for character in word):
                raise ConfigError(f"cannot schedule {word!r}: it has control characters or is no UTF-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Service):
    """A command and the times at which it runs.

    Attributes:
        at: Local time; if the job has an interval, only the place in it counts.
        every: `day`, or one or more of `WEEKDAYS`; empty for a job with an interval.
        interval_min: Minutes between two runs, a part of an hour, or hours that are a part of a day; None for
            a job of days.
    """

    at: time_of_day
    every: tuple[str, ...] = (DAY,)
    interval_min: int | None = None

    @property
    def weekdays(self) -> list[int]:
        """Numbers of the weekdays, Monday 0; empty if the job runs every day or has an interval."""
        return [number for number, name in enumerate(WEEKDAYS) if name in self.every]

    @property
    def start(self) -> time_of_day:
        """Return the local time of the first run of a day."""
        if self.interval_min is None:
            return self.at
        hours, minutes = divmod((60 * self.at.hour + self.at.minute) % self.interval_min, 60)
        return time_of_day(hours, minutes)

    def when(self) -> str:
        """Return the times in words, e.g. `every Monday at 02:30`."""
        minutes = self.interval_min
        if minutes is not None:
            if minutes < 60:
                return f"every {count(minutes, 'minute')}"
            hours = "hour" if minutes == 60 else f"{minutes // 60} hours"
            return f"every {hours} at minute {self.at.minute}"
        days = " and ".join(WEEKDAYS[number].capitalize() for number in self.weekdays) or DAY
        return f"every {days} at {self.at:%H:%M}"


def parse_interval(text: str) -> int:
    """Read an interval such as `15m` or `2h`; return its minutes.

    Raises:
        ValueError: It is no duration, or not a part of an hour or whole hours that are a part of a day.
    """
    minutes = parse_duration(text).total_seconds() / 60
    if not (
        minutes and (60 % minutes == 0 or (minutes % 60 == 0 and 1440 % minutes == 0 and minutes < 1440))
    ):
        raise ValueError(f"{text!r} does not divide an hour or a day: give one such as 15m, 1h or 6h")
    if minutes != int(minutes):
        raise ValueError(f"{text!r} has no whole minutes: give one such as 15m, 1h or 6h")
    return int(minutes)


def watcher_unit(service: Service, *, has_namespaces: bool = True) -> dict[str, str]:
    """Return the text of the service of a watcher by file name.

    systemd starts it again after an error that may pass, and after no sign of life for `WatchdogSec`.

    Args:
        service: The command.
        has_namespaces: Whether the systemd of the user can do what `NAMESPACE_LINES` say.

    Raises:
        ConfigError: The path of the program has a character that systemd does not accept there.
    """
    words, folder = _systemd_command(service)
    unit = f"""\
{MADE_BY}
[Unit]
Description=digitbox reads scans as they arrive

[Service]
Type=notify
WorkingDirectory={folder}
ExecStart={words}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
# A minute apart, systemd never gives up.
RestartSec=60
# Wrong options, no model, no extra, or a damaged ledger: another start would not help.
RestartPreventExitStatus=2 5 7 8
WatchdogSec=15min
TimeoutStopSec=5min
Nice=10
UMask=0027
{_restrictions(has_namespaces)}
[Install]
WantedBy=default.target
"""
    return {f"{service.name}.service": unit}


def systemd_units(job: Job, *, has_namespaces: bool = True) -> dict[str, str]:
    """Return the text of the service and the timer by file name.

    Args:
        job: The command and its times.
        has_namespaces: Whether the systemd of the user can do what `NAMESPACE_LINES` say.

    Raises:
        ConfigError: The path of the program has a character that systemd does not accept there.
    """
    words, folder = _systemd_command(job)
    days = ",".join(WEEKDAYS[number][:3].capitalize() for number in job.weekdays)
    service = f"""\
{MADE_BY}
[Unit]
Description=digitbox reads scans

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={words}
Nice=10
{_restrictions(has_namespaces)}"""
    timer = f"""\
{MADE_BY}
[Unit]
Description=digitbox reads scans, {job.when()}

[Timer]
OnCalendar={f"{days} " if days else ""}*-*-* {_systemd_time(job)}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{job.name}.service": service, f"{job.name}.timer": timer}


def _restrictions(has_namespaces: bool) -> str:
    return _RESTRICTIONS + "".join(f"{line}\n" for line in NAMESPACE_LINES if has_namespaces)


def _systemd_time(job: Job) -> str:
    """Return hours and minutes of a calendar event."""
    start, minutes = job.start, job.interval_min
    if minutes is None:
        return f"{start:%H:%M}"
    if minutes == 60:
        return f"*:{start:%M}"
    return f"*:{start:%M}/{minutes}" if minutes < 60 else f"{start:%H}/{minutes // 60}:{start:%M}"


def _systemd_command(service: Service) -> tuple[str, str]:
    """Return the command line and the folder as a unit has them."""
    program, *arguments = service.command
    if set(program) & set("\"'\\"):
        raise ConfigError(
            f"systemd accepts no quotes or backslashes in the path of a program, e.g. {program}: use --cron"
        )
    words = [_systemd_word(program), *(_systemd_word(word).replace("$", "$$") for word in arguments)]
    # systemd drops a blank at the end of a line, and takes a backslash there for a line that goes on.
    folder = service.folder.replace("%", "%%") + ("/" if service.folder[-1] in " \\" else "")
    return " ".join(words), folder


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if re.fullmatch(r"[\w/.,:=@+%-]+", escaped, re.ASCII) else f'"{escaped}"'


def cron_mark(name: str) -> str:
    """Return the end of the crontab line of a job. It is a comment for the shell, and names the job."""
    return f" # digitbox schedule: {name}"


def cron_line(job: Job) -> str:
    """Return the line for a crontab, without a newline."""
    days = ",".join(str((number + 1) % 7) for number in job.weekdays) or "*"
    command = f"cd {shlex.quote(job.folder)} && {shlex.join(job.command)}"
    # For cron a % ends the command, but \% is a plain one. If the command has its own backslash before the %,
    # an empty pair of quotes between them keeps cron from reading both as one.
    command = re.sub(r"(\\?)%", lambda match: (match[1] and "\\''") + "\\%", command)
    return f"{_cron_time(job)} * * {days} {command}{cron_mark(job.name)}"


def _cron_time(job: Job) -> str:
    """Return minute and hour of a crontab line."""
    start, minutes = job.start, job.interval_min
    if minutes is None or minutes == 60:
        return f"{start.minute} {'*' if minutes else start.hour}"
    if minutes < 60:
        return f"{start.minute}-59/{minutes} *"
    return f"{start.minute} {start.hour}-23/{minutes // 60}"


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
    if job.interval_min is not None:
        repetition = _add(trigger, "Repetition")
        _add(repetition, "Interval").text = f"PT{job.interval_min}M"
        _add(repetition, "Duration").text = "P1D"
    _add(trigger, "StartBoundary").text = f"{today}T{job.start:%H:%M:%S}"
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
        job: A job of days or weekdays, without an interval.
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
