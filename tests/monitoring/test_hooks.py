import os
import sys
import time
from pathlib import Path

import pytest

from batch.errors import ConfigError
from batch.monitoring import hooks


def python(code: str) -> str:
    return f"'{sys.executable}' -c '{code}'"


def test_what_is_called_has_content_and_environment(tmp_path: Path) -> None:
    code = 'import os, sys; open(os.environ["TO"], "w").write(sys.stdin.read() + sys.argv[1])'
    command = f"{python(code)} 'two words; $HOME'"
    assert hooks.call(command, b"content ", {**os.environ, "TO": str(tmp_path / "said")}) == ""
    assert (tmp_path / "said").read_text() == "content two words; $HOME"  # by no shell


def test_what_it_prints_is_no_result(capfd: pytest.CaptureFixture[str]) -> None:
    assert hooks.call(python('print("hello")'), b"", os.environ) == ""
    assert tuple(capfd.readouterr()) == ("", "hello\n")


def test_one_that_reads_nothing(tmp_path: Path) -> None:
    assert hooks.call(python("pass"), b"x" * 1_000_000, os.environ) == ""


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (python("raise SystemExit(7)"), "ended with 7"),
        (python("import os; os.kill(os.getpid(), 9)"), "was ended by signal 9"),
        ("/no/such/command", "cannot be called: No such file or directory"),
        (str(Path(__file__)), "cannot be called: Permission denied"),
    ],
)
def test_what_goes_wrong_is_said(command: str, problem: str) -> None:
    assert hooks.call(command, b"", os.environ) == problem


def test_one_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time; child = subprocess.Popen([sys.executable, "
        '"-c", "import time; time.sleep(600)"]); open(os.environ["TO"], "w").write(str(child.pid)); '
        "time.sleep(600)"
    )
    started = time.monotonic()
    environment = {**os.environ, "TO": str(tmp_path / "pid")}
    assert hooks.call(python(code), b"", environment, timeout_s=1) == "took more than 1 s, and was ended"
    assert time.monotonic() - started < 30
    child = Path("/proc") / (tmp_path / "pid").read_text() / "stat"
    while time.monotonic() - started < 30 and child.exists() and child.read_text().split(") ")[1][0] != "Z":
        pass  # it is killed, and need only be seen off
    assert not child.exists() or child.read_text().split(") ")[1][0] == "Z"


def test_what_is_no_command() -> None:
    for command in ("", "   ", "say 'half"):
        with pytest.raises(ConfigError):
            hooks.check(command)


def test_one_that_is_not_there_may_come_yet() -> None:
    assert hooks.check("no-such-command --now") == "no such command: no-such-command"
    assert hooks.check("sh -c true") == ""
