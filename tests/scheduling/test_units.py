"""Tests of the text for systemd, cron and Windows: any word comes through unchanged."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from datetime import date, time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch.errors import ConfigError
from batch.scheduling.units import (
    Job,
    Service,
    cron_line,
    parse_interval,
    systemd_units,
    watcher_unit,
    windows_task,
)
from command import ROOT

ODD = (
    "--ignore",
    "a b",
    "100%",
    "\\%",
    "\\\\%%",
    "$HOME",
    "${x}",
    "q\"u'o",
    "back\\",
    ";",
    "",
    "'",
    "#",
    "é ",
    "*",
)
TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cn", "Cs", "Zl", "Zp")) | st.sampled_from("%\\'\"$ #;"),
    max_size=12,
)
systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd to ask what it understands"
)


def job(
    *words: str,
    at: time = time(2, 30),
    every: tuple[str, ...] = ("day",),
    folder: str = "/tmp",
    interval_min: int | None = None,
) -> Job:
    command = words or ("/bin/echo",)
    return Job(
        name="digitbox-x", command=command, folder=folder, at=at, every=every, interval_min=interval_min
    )


def read_by_cron(line: str) -> str:
    """Return the command that cron gives the shell, by the rules of cron's do_command.c."""
    command, is_escaped = "", False
    for character in line.split(" ", 5)[5]:
        if is_escaped:
            if character == "%":
                command = command[:-1]
            is_escaped = False
        elif character == "\\":
            is_escaped = True
        elif character == "%":
            break
        command += character
    return command


def run_by_cron(*words: str, folder: str = "/") -> list[str]:
    """Return the folder and the words that a program gets."""
    script = 'import os, sys; print(os.getcwd(), *sys.argv[1:], sep="\\0", end="")'
    line = cron_line(job(sys.executable, "-IS", "-c", script, *words, folder=folder))
    result = subprocess.run(["/bin/sh", "-c", read_by_cron(line)], capture_output=True, check=True)
    return os.fsdecode(result.stdout).split("\0")


def test_odd_words_come_through_cron(tmp_path: Path) -> None:
    folder = tmp_path / "a 100%$x\\%'\""
    folder.mkdir()
    assert run_by_cron(*ODD, folder=str(folder)) == [str(folder), *ODD]


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, max_size=4))
@example(["\\%"])
@example(["%" * 5, "\\" * 3 + "%"])
def test_any_words_come_through_cron(words: list[str]) -> None:
    assert run_by_cron(*words) == ["/", *words]


def units_in(folder: Path, planned: Job) -> list[str]:
    for name, text in systemd_units(planned).items():
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / name) for name in systemd_units(planned)]


def verified(folder: Path, *units: str, level: str = "info") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(folder),
        "HOME": str(folder),
        "SYSTEMD_LOG_LEVEL": level,
    }
    return subprocess.run(
        ["systemd-analyze", "--user", "verify", *units],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@systemd
@pytest.mark.parametrize(
    ("every", "interval_min"),
    [(("day",), None), ((), 60), ((), 15), ((), 360), (("monday", "sunday"), None)],
)
def test_systemd_understands_the_units(
    tmp_path: Path, every: tuple[str, ...], interval_min: int | None
) -> None:
    units = units_in(tmp_path, job("/bin/echo", *ODD, every=every, interval_min=interval_min))
    result = verified(tmp_path, *units)
    assert (result.returncode, result.stderr) == (0, "")
    Path(units[1]).write_text(Path(units[1]).read_text().replace("OnCalendar=", "OnCalendar=never "))
    assert verified(tmp_path, *units).stderr != ""  # verify does report mistakes


@systemd
def test_odd_words_come_through_systemd(tmp_path: Path) -> None:
    version = subprocess.check_output(["systemd-analyze", "--version"], text=True)
    if int(version.split()[1]) < 250:
        pytest.skip("systemd before 250 does not quote the command line that it prints")
    folder = tmp_path / "a 100%$x\\%'\" \\"
    folder.mkdir()
    program = tmp_path / "p %h$x"
    program.write_text("#!/bin/sh\n")
    program.chmod(stat.S_IRWXU)
    units = units_in(tmp_path, job(str(program), *ODD, folder=str(folder)))
    log = verified(tmp_path, *units, level="debug").stdout
    (line,) = re.findall(r"Command Line: (.*)", log)
    command, *arguments = shlex.split(re.sub(r"(?<!\\)((?:\\\\)*)\\\$", r"\1$", line))
    assert command == str(program)
    assert arguments == [word.replace("$", "$$") for word in ODD]  # systemd turns $$ into $ at the start
    (directory,) = re.findall(r"WorkingDirectory: (.*)", log)
    assert directory.rstrip("/") == str(folder)


def exposure(unit: str) -> float:
    """Return what systemd thinks that a service could do to the machine, from 0 to 10."""
    command = ["systemd-analyze", "security", "--offline=yes", unit]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "--offline" in result.stderr:
        pytest.skip("systemd before 250 does not look at units that are not loaded")
    return float(re.findall(r"Overall exposure level for .*: ([\d.]+)", result.stdout)[0])


@systemd
def test_systemd_finds_the_services_well_confined(tmp_path: Path) -> None:
    deployed = [str(path) for path in (ROOT / "deploy").glob("*.service")]
    service = Service(name="digitbox-w", command=("/bin/echo",), folder="/tmp")
    for name, text in (watcher_unit(service) | systemd_units(job())).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    made = [str(path) for path in tmp_path.glob("*.service")]
    found = {unit: exposure(unit) for unit in (*deployed, *made)}
    assert len(found) == 4
    assert {unit: level for unit, level in found.items() if level >= 3} == {}
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/echo\n")
    assert exposure(str(bare)) > 9


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b"])
def test_systemd_accepts_no_program_with_quotes(name: str) -> None:
    with pytest.raises(ConfigError, match="use --cron"):
        systemd_units(job(f"/bin/{name}"))


@given(TEXT.filter(lambda text: "%" not in text and "$(" not in text))
def test_any_word_comes_through_xml(word: str) -> None:
    text = windows_task(job("/bin/echo", word), "Ubuntu & <Co>", date(2026, 11, 24))
    assert text.isascii()
    arguments = ElementTree.fromstring(text).findtext(".//{*}Arguments")
    expected = ["--distribution", "Ubuntu & <Co>", "--cd", "/tmp", "--exec", "/bin/echo", word]
    assert arguments == subprocess.list2cmdline(expected)


def test_systemd_cron_and_windows_have_the_times() -> None:
    def words(every: tuple[str, ...], interval_min: int | None = None) -> tuple[str, str, str]:
        planned = job(every=every, interval_min=interval_min)
        timer = systemd_units(planned)["digitbox-x.timer"]
        task = ElementTree.fromstring(windows_task(planned, "", date(2026, 11, 24)))
        trigger = task.find(".//{*}CalendarTrigger")
        assert trigger is not None
        elements = " ".join(element.tag.split("}")[1] for element in trigger.iter())
        calendar = re.findall(r"OnCalendar=(.*)", timer)[0]
        return calendar, cron_line(planned).split(" cd ")[0], elements

    daily, weekly, hourly = words(("day",)), words(("monday", "sunday")), words((), 60)
    assert daily[:2] == ("*-*-* 02:30:00", "30 2 * * *")
    assert weekly[:2] == ("Mon,Sun *-*-* 02:30:00", "30 2 * * 1,0")
    assert hourly[:2] == ("*-*-* *:30:00", "30 * * * *")
    assert words((), 20)[:2] == ("*-*-* *:10/20:00", "10-59/20 * * * *")
    assert words((), 360)[:2] == ("*-*-* 02/6:30:00", "30 2-23/6 * * *")
    assert daily[2] == "CalendarTrigger StartBoundary ScheduleByDay DaysInterval"
    assert weekly[2].endswith("ScheduleByWeek DaysOfWeek Monday Sunday WeeksInterval")
    assert hourly[2].startswith("CalendarTrigger Repetition Interval Duration StartBoundary")


@pytest.mark.parametrize("word", ["a\nb", "a\x1b", "\udcff", "\u2028"])
def test_control_characters_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="cannot schedule"):
        job("/bin/echo", word)
    with pytest.raises(ConfigError, match="cannot schedule"):
        job(folder=f"/{word}")


@pytest.mark.parametrize("word", ["%PATH%", "$(Arg0)"])
def test_variables_of_windows_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="--windows"):
        windows_task(job("/bin/echo", word), "", date(2026, 11, 24))


@systemd
@pytest.mark.parametrize(
    ("expression", "base", "runs"),
    [
        ("*-*-* 02:30:00", "2027-03-27 12:00", ["2027-03-29 02:30:00 CEST", "2027-03-30 02:30:00 CEST"]),
        ("Sun *-*-* 02:30:00", "2027-03-27 12:00", ["2027-04-04 02:30:00 CEST", "2027-04-11 02:30:00 CEST"]),
        ("*-*-* 04:00:00", "2027-03-27 12:00", ["2027-03-28 04:00:00 CEST", "2027-03-29 04:00:00 CEST"]),
        ("*-*-* 02:30:00", "2026-10-24 12:00", ["2026-10-25 02:30:00 CEST", "2026-10-26 02:30:00 CET"]),
        ("*-*-* *:30:00", "2026-10-25 01:45", ["2026-10-25 02:30:00 CEST", "2026-10-25 03:30:00 CET"]),
    ],
)
def test_systemd_leaves_out_what_the_docs_say(expression: str, base: str, runs: list[str]) -> None:
    """Check docs/scheduling.md; Persistent does not help, since systemd missed nothing."""
    result = subprocess.run(
        ["systemd-analyze", "calendar", f"--base-time={base}", "--iterations=2", expression],
        env={**os.environ, "TZ": "Europe/Berlin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        pytest.skip("this systemd has no option --base-time")
    assert re.findall(r"(?:elapse|#2): \w+ (\S+ \S+ \S+)", result.stdout) == runs


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1m", 1), ("15m", 15), ("30m", 30), ("1h", 60), ("60m", 60), ("2h", 120), ("12h", 720)],
)
def test_intervals_divide_an_hour_or_a_day(text: str, minutes: int) -> None:
    assert parse_interval(text) == minutes


@pytest.mark.parametrize("text", ["7m", "45m", "90m", "5h", "24h", "1d", "30s", "0m", "15", "7.5s"])
def test_other_intervals_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give one such as"):
        parse_interval(text)


@systemd
def test_systemd_understands_the_unit_of_a_watcher(tmp_path: Path) -> None:
    service = Service(name="digitbox-x", command=("/bin/echo", *ODD), folder=str(tmp_path))
    ((name, text),) = watcher_unit(service).items()
    (tmp_path / name).write_text(text, encoding="utf-8")
    result = verified(tmp_path, str(tmp_path / name))
    assert (name, result.returncode, result.stderr) == ("digitbox-x.service", 0, "")
    (tmp_path / name).write_text(text.replace("WatchdogSec=", "WatchdogSec=never "), encoding="utf-8")
    assert verified(tmp_path, str(tmp_path / name)).stderr != ""  # verify does report mistakes
