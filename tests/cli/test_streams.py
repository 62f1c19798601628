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


def redirected(inbox: Path, arguments: str, redirection: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "batch", "run", str(inbox), "--outbox", f"{inbox.parent}/outbox"]
    command = f"{shlex.join(words)} {arguments} {redirection}"
    return subprocess.run(command, shell=True, check=False, capture_output=True, env=environment())


def called(arguments: list[str], folder: Path, stdout: str) -> subprocess.CompletedProcess[bytes]:
    """Call digitbox with a stdout that nobody reads, or that is full."""
    if stdout == "closed":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open("/dev/full", os.O_WRONLY)
    command = [sys.executable, "-m", "batch", *arguments]
    try:
        return subprocess.run(
            command, cwd=folder, stdout=write, stderr=subprocess.PIPE, check=False, env=environment()
        )
    finally:
        os.close(write)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["run", "--version"], ["run", "inbox", "--dry-run"]]
)
def test_a_stdout_that_is_closed_or_full(arguments: list[str], inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    closed = called(arguments, inbox.parent, "closed")
    assert (closed.returncode, closed.stderr) == (0, b"")
    full = called(arguments, inbox.parent, "full")
    message = b"digitbox: cannot write to stdout: No space left on device; send it elsewhere\n"
    assert (full.returncode, full.stderr) == (6, message)


@pytest.mark.slow
def test_explain_draws_its_picture_though_nobody_reads_its_lines(inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    picture = inbox.parent / "explained.png"
    full = called(["explain", "inbox"], inbox.parent, "full")
    said, error = full.stderr.splitlines()
    assert (full.returncode, said) == (6, b"picture: explained.png")
    assert error.startswith(b"digitbox: cannot write to stdout")
    assert picture.stat().st_size > 1000
    picture.unlink()
    closed = called(["explain", "inbox"], inbox.parent, "closed")
    assert (closed.returncode, closed.stderr) == (0, b"picture: explained.png\n")
    assert picture.stat().st_size > 1000


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
