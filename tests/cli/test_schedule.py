import os
import re
import shlex
import stat
import sys
import time as clock
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path

import pytest

from batch.cli import schedule as module
from batch.cli.schedule import this_program
from batch.scheduling.units import NAMESPACE_LINES, Job, missing_days
from command import Digitbox


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # needs no list of the world's time zones
    clock.tzset()
    yield
    monkeypatch.undo()
    clock.tzset()


def words_of(line: str) -> list[str]:
    """The command in a crontab's line."""
    return shlex.split(line.split(" && ", 1)[1].replace("\\%", "%"), comments=True)


def test_paths_options_and_variables_are_written_down(
    digitbox: Digitbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digitbox.toml").write_text("batch-size = 8\n")
    (tmp_path / "my-model").mkdir()
    monkeypatch.setenv("DIGITBOX_WORKERS", "3")
    monkeypatch.setenv("DIGITBOX_PROBABILITIES", "1")
    given = [
        "--outbox",
        "out box",
        "--model",
        "my-model",
        "--ignore=-x.png",
        "--ignore",
        "y",
        "--no-recursive",
    ]
    result = digitbox("schedule", "--cron", *given, "--at", "2:05", "scans/**/*.tif", "inbox")
    minute, hour, *rest, command = result.out.split(" ", 5)
    assert (minute, hour, rest, result.code) == ("5", "2", ["*", "*", "*"], 0)
    assert command.startswith(f"cd {shlex.quote(str(tmp_path))} && ")
    program, *words = words_of(result.out)
    assert Path(program).is_absolute()
    assert words == [
        *("run", "--outbox", f"{tmp_path}/out box"),
        *("--model", f"{tmp_path}/my-model", "--workers", "3", "--probabilities", "--no-recursive"),
        *("--ignore", "-x.png", "--ignore", "y", "--only-new"),
        *(f"{tmp_path}/scans/**/*.tif", f"{tmp_path}/inbox"),
    ]
    assert "as things are now, it would fail: no file matches" in result.err


@pytest.mark.parametrize("command", ["run", "watch"])
def test_only_a_config_file_that_the_user_names_is_written_down(
    digitbox: Digitbox, home: Path, tmp_path: Path, command: str
) -> None:
    """A named file counts whoever can write to it; one that the run finds must be the user's own."""
    (tmp_path / "digitbox.toml").write_text("batch-size = 8\n")
    how = ["--watch"] if command == "watch" else ["--cron", "--at", "02:30"]
    assert "--config" not in digitbox("schedule", *how).out
    assert (
        f"--config {tmp_path}/digitbox.toml {command}"
        in digitbox("--config", "digitbox.toml", "schedule", *how).out
    )


def test_what_is_scheduled_runs_and_reads_only_what_is_new(
    digitbox: Digitbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = words_of(digitbox("schedule", "--cron", "--at", "02:30", "--quiet").out)
    assert words[-2:] == ["--only-new", f"{tmp_path}/inbox"]
    monkeypatch.chdir("/")
    assert digitbox(*words[words.index("run") :]).code == 0
    for how in (["--only-new"], ["--after", "move"]):
        words = words_of(digitbox("schedule", "--cron", "--at", "02:30", *how, str(tmp_path)).out)
        assert words.count("--only-new") == ("--only-new" in how)


def test_a_glob_in_a_folder_with_brackets_finds_scans(
    digitbox: Digitbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "Scans [2026]"
    folder.mkdir()
    (folder / "a.png").touch()
    monkeypatch.chdir(folder)
    words = words_of(digitbox("schedule", "--cron", "--at", "02:30", "*.png", "--outbox", "../out").out)
    monkeypatch.chdir("/")
    assert digitbox(*words[words.index("run") :], "--dry-run").out == f"{folder}/a.png\n"
    folder.rename(tmp_path / "away")
    note = digitbox("schedule", "--cron", "--at", "02:30", str(folder)).err
    assert f"as things are now, it would fail: no such file or folder: {folder}" in note


def test_the_kind_is_what_the_machine_has(digitbox: Digitbox, home: Path) -> None:
    has_systemd = Path("/run/systemd/system").is_dir()
    assert ("[Timer]" in digitbox("schedule", "--at", "02:30").out) == has_systemd
    result = digitbox("schedule", "--at", "02:30", "--systemd")
    assert re.findall(r"^# /.*", result.out, re.MULTILINE) == [
        f"# {home}/.config/systemd/user/digitbox-nightly.service",
        f"# {home}/.config/systemd/user/digitbox-nightly.timer",
    ]
    assert "<Command>wsl.exe</Command>" in digitbox("schedule", "--at", "02:30", "--windows").out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--at", "24:00"],
        ["--at", "half past two"],
        ["--at", "02:30", "--every", "noon"],
        ["--at", "02:30", "--every", "mon,day"],
        ["--at", "02:30", "--every", "m"],
        ["--at", "02:30", "--every", "7m"],
        ["--at", "02:30", "--every", "15m,day"],
        ["--every", "6h"],
        ["--watch", "--at", "02:30"],
        ["--watch", "--every", "day"],
        ["--watch", "--cron"],
        ["--watch", "--only-old"],
        ["--watch", "--outbox", "inbox"],
        ["--at", "02:30", "--name", "../x"],
        ["--at", "02:30", "--fromat", "csv"],
        ["--at", "02:30", "--workers", "none"],
        ["--at", "02:30", "--outbox", "inbox"],
        ["--at", "02:30", "--outbox", "a\nb"],
        ["--at", "02:30", "--ping", "nonsense"],
        ["--at", "02:30", "--summary", "nowhere/x"],
        ["--at", "02:30", "--metrics-file", "nowhere/x"],
        ["--at", "02:30", "--report", "--outbox", "s3://b/r"],
        ["--at", "02:30", "--after", "move", "s3://b/x"],
        ["--at", "02:30", "--install", "--on-failure", "'"],
        ["--watch", "--outbox", "s3://b/r"],
        ["--watch", "--inbox", "s3://b/in"],
        ["--watch", "s3://b/in"],
        ["--watch", "--ping", "nonsense"],
        ["--watch", "--summary", "nowhere/x"],
        ["--watch", "--metrics-listen", "foo"],
        ["--watch", "--install", "--metrics-listen", "127.0.0.1:99999"],
        ["--at", "02:30", "--install", "--dry-run"],
        ["--watch", "--install", "--dry-run"],
        ["--at", "02:30", "--install", "--windows"],
        ["--at", "02:30", "--install", "--uninstall"],
        ["--at", "02:30", "--cron", "--systemd"],
        ["--at", "02:30", "--windows", "--cron"],
        ["--uninstall", "--systemd", "--cron"],
        ["--at", "02:30", "--every", "48h"],
        ["--at", "02:30", "--every", "1d,mon"],
        ["--at", "02:30", "--digits", "5"],
        ["--watch", "--digits", "5"],
    ],
)
def test_what_is_wrong_is_told_in_a_line(digitbox: Digitbox, home: Path, arguments: list[str]) -> None:
    result = digitbox("schedule", *arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("text", "of_run", "of_watch"),
    [
        ("max-files = 3", 0, 2),
        ("rescan = 60", 2, 0),
        ("[run]\nmax-files = 3\n[watch]\nrescan = 60", 0, 0),
        ("ping = 'nonsense'", 2, 2),
    ],
)
def test_the_file_of_options_is_that_of_the_scheduled_command(
    digitbox: Digitbox, home: Path, tmp_path: Path, text: str, of_run: int, of_watch: int
) -> None:
    (tmp_path / "digitbox.toml").write_text(text)
    for arguments, code in ((["--at", "02:30"], of_run), (["--watch"], of_watch)):
        result = digitbox("schedule", *arguments)
        assert result.code == code, result.err
        assert bool(result.out) is (code == 0)
    assert digitbox("schedule", "--uninstall").code == 0


def test_only_its_own_lines_of_a_crontab_are_replaced(digitbox: Digitbox, home: Path) -> None:
    mine = b"MAILTO=me\n# \xff my lines\n0 1 * * * true # digitbox schedule: mine\n"
    (home / "tab").write_bytes(mine)
    assert digitbox("schedule", "--cron", "--install", "--at", "02:30").code == 0
    assert digitbox("schedule", "--cron", "--install", "--at", "04:30", "--name", "second").code == 0
    result = digitbox("schedule", "--cron", "--install", "--at", "03:30", "--every", "sat,sun")
    assert "every Saturday and Sunday at 03:30" in result.err
    assert "digitbox schedule --uninstall --cron --name digitbox-nightly" in result.err
    lines = (home / "tab").read_bytes().removeprefix(mine).splitlines()
    assert [line.split(b" cd ")[0] for line in lines] == [b"30 4 * * *", b"30 3 * * 6,0"]
    assert digitbox("schedule", "--cron", "--uninstall").code == 0
    assert digitbox("schedule", "--cron", "--uninstall", "--name", "second").code == 0
    assert (home / "tab").read_bytes() == mine
    assert "nothing to uninstall" in digitbox("schedule", "--cron", "--uninstall").err


def test_no_crontab_yet_and_one_without_an_end(digitbox: Digitbox, home: Path) -> None:
    assert digitbox("schedule", "--cron", "--install", "--at", "02:30").code == 0
    assert (home / "tab").read_bytes().count(b"\n") == 1
    (home / "tab").write_bytes(b"0 1 * * * true")
    assert digitbox("schedule", "--cron", "--install", "--at", "02:30").code == 0
    assert (home / "tab").read_bytes().startswith(b"0 1 * * * true\n30 2 ")


def test_a_crontab_that_may_not_be_read_is_left_as_it_is(digitbox: Digitbox, home: Path) -> None:
    (home / "tab").write_bytes(b"mine\n")
    (home / "denied").touch()
    result = digitbox("schedule", "--cron", "--install", "--at", "02:30")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "cannot read your crontab: you (nobody) are not allowed" in result.err
    assert (home / "tab").read_bytes() == b"mine\n"


def test_units_are_put_in_place_and_taken_away(
    digitbox: Digitbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "systemd" / "user"
    printed = digitbox("schedule", "--systemd", "--at", "02:30").out
    for _ in range(2):
        result = digitbox("schedule", "--systemd", "--install", "--at", "02:30")
        assert (result.code, result.out) == (0, "")
    assert "loginctl enable-linger" in result.err
    files = sorted(os.listdir(folder))
    assert files == ["digitbox-nightly.service", "digitbox-nightly.timer"]
    assert all((folder / file).read_text() in printed for file in files)
    assert {stat.S_IMODE((folder / file).stat().st_mode) for file in files} == {
        0o600
    }  # --ping has a password
    assert (home / "called").read_text().splitlines()[-1] == "--user enable --now digitbox-nightly.timer"
    assert digitbox("schedule", "--systemd", "--uninstall").code == 0
    assert os.listdir(folder) == []
    assert "--user disable --now digitbox-nightly.timer" in (home / "called").read_text()
    assert "nothing to uninstall" in digitbox("schedule", "--systemd", "--uninstall").err


@pytest.mark.parametrize("what", [["--at", "02:30"], ["--watch"]])
def test_a_machine_without_namespaces_has_units_that_start(
    digitbox: Digitbox, home: Path, what: list[str]
) -> None:
    """systemd would not start a service that asks for them: 218/CAPABILITIES, or 226/NAMESPACE."""
    name = f"digitbox-{'watch' if what == ['--watch'] else 'nightly'}.service"
    unit = home / ".config" / "systemd" / "user" / name
    said = digitbox("schedule", "--systemd", "--install", *what).err
    assert "PrivateUsers=yes" in unit.read_text() and "fewer restrictions" not in said
    (home / "no-namespaces").touch()
    said = digitbox("schedule", "--systemd", "--install", *what).err
    assert not set(NAMESPACE_LINES) & set(unit.read_text().splitlines()) and "fewer restrictions" in said
    assert "NoNewPrivileges=yes" in unit.read_text()


def test_units_of_others_are_left_alone(digitbox: Digitbox, home: Path) -> None:
    folder = home / ".config" / "systemd" / "user"
    folder.mkdir(parents=True)
    (folder / "digitbox-nightly.timer").write_text("[Timer]\n")
    for what in (["--install", "--at", "02:30"], ["--uninstall"]):
        result = digitbox("schedule", "--systemd", *what)
        assert (result.code, "give another --name" in result.err) == (2, True)
    assert os.listdir(folder) == ["digitbox-nightly.timer"]


def test_a_systemd_that_does_not_answer(digitbox: Digitbox, home: Path) -> None:
    (home / "denied").touch()
    result = digitbox("schedule", "--systemd", "--install", "--at", "02:30")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "Failed to connect to bus" in result.err
    assert not (home / ".config").exists()


@pytest.mark.parametrize("kind", ["--systemd", "--cron"])
def test_a_machine_that_has_neither(
    digitbox: Digitbox, home: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    result = digitbox("schedule", kind, "--install", "--at", "02:30")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "cannot call" in result.err


@pytest.mark.parametrize(
    ("called", "is_script"), [("digitbox", True), ("x/digitbox", True), ("__main__.py", False)]
)
def test_the_program_is_the_one_that_runs(
    called: str, is_script: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "x"))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "digitbox").touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "y" / "python3"))
    expected = [f"{tmp_path}/x/digitbox"] if is_script else [f"{tmp_path}/y/python3", "-m", "batch"]
    assert this_program() == expected
    if not is_script:
        (tmp_path / "y").mkdir()
        (tmp_path / "y" / "digitbox").touch()
        assert this_program() == [f"{tmp_path}/y/digitbox"]


def test_a_time_that_the_clock_leaves_out_is_told(
    berlin: None, digitbox: Digitbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(hour: int, *every: str) -> Job:
        return Job(name="x", command=("/x",), folder="/", at=time(hour, 30), every=every or ("day",))

    today = date(2026, 11, 24)
    assert missing_days(planned(2), today) == [date(2027, 3, 28)]
    assert missing_days(planned(1), today) == missing_days(planned(3), today) == []
    assert missing_days(planned(2, "monday"), today) == []
    assert missing_days(planned(2, "sunday"), today) == [date(2027, 3, 28)]

    class Today(date):
        @classmethod
        def today(cls) -> "Today":
            return cls(2026, 11, 24)

    monkeypatch.setattr(module, "date", Today)
    said = digitbox("schedule", "--at", "02:30", "--systemd").err
    assert "on 2027-03-28 there is no 02:30" in said
    assert digitbox("schedule", "--at", "03:30", "--systemd").err == ""


@pytest.mark.parametrize("arguments", [["--at", "02:30", "--cron"], ["--watch"]])
@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--model", "nope", "no model 'nope'"),
        ("--log-file", "gone/log", "cannot write to the log file gone/log: No such file or directory"),
        ("--metrics-listen", "192.0.2.1:9600", "cannot listen on 192.0.2.1:9600"),
        ("--metrics-listen", "a..b:9600", "cannot listen on a..b:9600"),
    ],
)
def test_what_may_change_until_the_run_is_a_note(
    digitbox: Digitbox, home: Path, arguments: list[str], option: str, value: str, problem: str
) -> None:
    if option == "--metrics-listen":
        pytest.importorskip("prometheus_client", reason="needs the extra 'metrics'")
        arguments = ["--watch"]
    result = digitbox("schedule", *arguments, option, value)
    (line,) = result.err.splitlines()
    assert (result.code, result.out != "") == (0, True)
    assert line.startswith("note: as things are now, it would fail: ") and problem in line


@pytest.mark.parametrize("interval", ["24h", "1d", "1440m"])
def test_an_interval_of_a_day_is_every_day(digitbox: Digitbox, home: Path, interval: str) -> None:
    result = digitbox("schedule", "--cron", "--every", interval, "--at", "04:00")
    assert result.out.startswith("0 4 * * * cd ")
    assert digitbox("schedule", "--cron", "--every", interval).code == 2


def test_every_fifteen_minutes(digitbox: Digitbox, home: Path) -> None:
    assert digitbox("schedule", "--cron", "--every", "15m").out.startswith("0-59/15 * * * * cd ")
    assert digitbox("schedule", "--cron", "--every", "6h", "--at", "14:05").out.startswith(
        "5 2-23/6 * * * cd "
    )
    assert "every 15 minutes" in digitbox("schedule", "--cron", "--every", "15m", "--install").err


@pytest.mark.parametrize(
    ("arguments", "known", "command"),
    [
        (["--instal"], "--install", "schedule"),
        (["--watch", "--instal"], "--install", "schedule"),
        (["--worker", "3"], "--workers", "schedule"),
        (["--no-recursiv"], "--no-recursive", "schedule"),
        (["--input"], "'--install', '--ping'?", "schedule"),
        (["--workers"], "requires an argument", "run"),
        (["--watch", "--settle"], "requires an argument", "watch"),
    ],
)
def test_a_wrong_option_is_told_with_the_help_to_see(
    digitbox: Digitbox, home: Path, arguments: list[str], known: str, command: str
) -> None:
    at = [] if "--watch" in arguments else ["--at", "02:30"]
    result = digitbox("schedule", *at, *arguments)
    assert result.code == 2
    assert known in result.err and result.err.endswith(f"; see digitbox {command} --help\n")
