"""A real process whose stdin, stdout and stderr are not what one would wish."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command import environment
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def redirected(inbox: Path, arguments: str, redirection: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "batch", "run", str(inbox), "--outbox", f"{inbox.parent}/outbox"]
    command = f"{shlex.join(words)} {arguments} {redirection}"
    return subprocess.run(command, shell=True, check=False, capture_output=True, env=environment())


def test_a_reader_of_stdout_that_has_enough(inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "batch", "run", str(inbox), "--dry-run"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, env=environment())
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_behind_stdout_is_told(inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    done = redirected(inbox, "--dry-run", "> /dev/full")
    assert done.returncode == 6
    assert b"stdout" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("redirection", ["<&- >&- 2>&-", "2>&-", "2> /dev/full"])
def test_without_any_terminal_or_streams(inbox: Path, redirection: str) -> None:
    assert redirected(inbox, "", redirection).returncode == 0  # nothing to do
    (inbox / "a.png").write_bytes(TWO)
    assert redirected(inbox, "--dry-run", redirection).returncode == 0


def test_what_is_opened_is_never_taken_for_stderr(tmp_path: Path) -> None:
    code = "from batch.terminal import console; console.open_streams(); print(open('file', 'w').fileno() > 2)"
    command = f"{shlex.join([sys.executable, '-c', code])} <&- 2>&- > out"
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=environment())
    assert (tmp_path / "out").read_text() == "True\n"
