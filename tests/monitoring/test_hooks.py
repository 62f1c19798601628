"""Tests of the commands that digitbox calls at the end of a run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batch.errors import ConfigError
from batch.monitoring import hooks
from gate import has_come
from waiting import wait_for


def python(code: str) -> str:
    return f"'{sys.executable}' -c '{code}'"


def test_a_hook_gets_content_and_environment(tmp_path: Path) -> None:
    code = 'import os, sys; open(os.environ["TO"], "w").write(sys.stdin.read() + sys.argv[1])'
    command = f"{python(code)} 'two words; $HOME'"
    assert hooks.call(command, b"content ", {**os.environ, "TO": str(tmp_path / "got")}) == ""
    assert (tmp_path / "got").read_text() == "content two words; $HOME"  # no shell expands it


def test_the_output_of_a_hook_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    assert hooks.call(python('print("hello")'), b"", os.environ) == ""
    assert tuple(capfd.readouterr()) == ("", "hello\n")


def test_a_hook_may_ignore_its_stdin() -> None:
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
def test_the_problem_of_a_hook_is_returned(command: str, problem: str) -> None:
    assert hooks.call(command, b"", os.environ) == problem


def test_a_hook_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    pipe = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    communicate = subprocess.Popen.communicate

    def wait_until_both_run(process: Any, content: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        wait_for(lambda: has_come(pipe))
        assert os.read(pipe, 9) == b"both\n"
        return communicate(process, content, timeout_s)

    monkeypatch.setattr(subprocess.Popen, "communicate", wait_until_both_run)
    command = "sh -c 'exec 3> pipe; (echo both >&3; exec tail -f /dev/null) & wait'"
    assert hooks.call(command, b"", os.environ, timeout_s=0.1) == "took more than 0.1 s, and was ended"
    wait_for(lambda: has_come(pipe))  # the end, which comes when nobody holds it any more
    assert os.read(pipe, 9) == b""
    os.close(pipe)


def test_an_empty_or_unquoted_command_is_an_error() -> None:
    for command in ("", "   ", "say 'half"):
        with pytest.raises(ConfigError):
            hooks.check(command)


def test_a_missing_command_is_only_a_problem() -> None:
    assert hooks.check("no-such-command --now") == "no such command: no-such-command"
    assert hooks.check("sh -c true") == ""
