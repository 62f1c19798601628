"""Tests of the commands that digitbox calls at the end of a run."""

import os
import select
import sys
from pathlib import Path

import pytest

from batch.errors import ConfigError
from batch.monitoring import hooks

DEADLINE_S = 60.0  # for killed processes to end


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


def test_a_hook_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # all processes of the hook hold it open
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    command = "sh -c 'exec 3> \"$PIPE\"; echo started >&3; sleep 600 & sleep 600'"
    environment = {**os.environ, "PIPE": str(pipe)}
    assert hooks.call(command, b"", environment, timeout_s=1) == "took more than 1 s, and was ended"
    assert os.read(reader, 100) == b"started\n"
    assert select.select([reader], [], [], DEADLINE_S)[0] == [reader]
    assert os.read(reader, 100) == b""  # the end of the pipe: no process is left
    os.close(reader)


def test_an_empty_or_unquoted_command_is_an_error() -> None:
    for command in ("", "   ", "say 'half"):
        with pytest.raises(ConfigError):
            hooks.check(command)


def test_a_missing_command_is_only_a_problem() -> None:
    assert hooks.check("no-such-command --now") == "no such command: no-such-command"
    assert hooks.check("sh -c true") == ""
