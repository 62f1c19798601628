"""What libraries write to stderr: captured in order, and kept off the terminal."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from batch.errors import MeansError
from batch.terminal import stderr
from interrupts import descriptors, interruptions


def test_capture_inside_silence_has_its_own_messages(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr.silence():
        os.write(2, b"before")
        for word in (b"first", b"second"):
            with stderr.capture() as messages:
                os.write(2, word)
            assert messages == [word]
        with stderr.capture() as messages:
            pass
        assert messages == []
        with stderr.silence():
            os.write(2, b"deep inside")
        os.write(2, b"after")
    with stderr.capture() as messages:
        os.write(2, b"alone")
    assert messages == [b"alone"]
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


@pytest.mark.parametrize("middle", [0, 1, 2 * stderr.KEPT_BYTES - 10, 2 * stderr.KEPT_BYTES, 300_000])
def test_the_beginning_and_the_end_of_much_output_are_heard(middle: int) -> None:
    with stderr.silence():
        os.write(2, b"before")
        with stderr.capture() as messages:
            os.write(2, b"first" + b"." * middle + b"error")
    (message,) = messages
    assert message.startswith(b"first") and message.endswith(b"error")
    assert len(message) == min(middle + 10, 2 * stderr.KEPT_BYTES)


def test_a_lack_of_open_files_leaves_stderr_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dup(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch, pytest.raises(MeansError):
        patch.setattr(os, "dup", dup)
        with stderr.capture():
            pass
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_an_error_ends_the_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), stderr.silence(), stderr.capture():
        raise KeyError
    with stderr.capture() as messages:
        os.write(2, b"heard")
    assert messages == [b"heard"]
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


@pytest.mark.parametrize("has_stderr", [True, False])
@pytest.mark.parametrize("block", [stderr.silence, stderr.capture])
def test_stderr_is_back_after_ctrl_c_at_any_call(
    block: Callable[[], AbstractContextManager[object]], has_stderr: bool
) -> None:
    def enter() -> None:
        with block():
            pass

    saved = os.dup(2)
    if not has_stderr:
        os.close(2)
    try:
        enter()
        before = descriptors()
        interrupts = 0
        for _ in interruptions(enter, stderr):
            interrupts += 1
            assert descriptors() == before
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    assert interrupts > 5


def test_messages_are_heard_without_a_stderr() -> None:
    saved = os.dup(2)
    os.close(2)
    try:
        with stderr.capture() as messages:
            os.write(2, b"heard")
        with pytest.raises(OSError, match="Bad file"):
            os.write(2, b"closed again")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    assert messages == [b"heard"]


def test_threads_take_turns(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[list[bytes]] = []
    begun, ours_ended = threading.Event(), threading.Event()

    def capture() -> None:
        begun.set()
        with stderr.capture() as messages:
            ours_ended.wait()
            os.write(2, b"theirs")
        heard.append(messages)

    other = threading.Thread(target=capture)
    with stderr.capture() as messages:
        other.start()
        begun.wait()
        other.join(0.05)  # without turns, the other thread would redirect stderr now
        os.write(2, b"ours")
    ours_ended.set()
    other.join()
    assert (messages, heard) == ([b"ours"], [[b"theirs"]])
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of Python 3.12, for threads
def test_a_fork_waits_until_stderr_is_back(tmp_path: Path) -> None:
    begun = threading.Event()

    def silence() -> None:
        with stderr.silence():
            begun.set()
            threading.Event().wait(0.05)  # meanwhile the main thread asks for a fork

    other = threading.Thread(target=silence)
    shown = tmp_path / "shown"
    saved = os.dup(2)
    try:
        with shown.open("wb") as file:
            os.dup2(file.fileno(), 2)
        other.start()
        begun.wait()
        if (child := os.fork()) == 0:
            with stderr.silence():  # the child can take a turn, too
                pass
            os.write(2, b"from the child")
            os._exit(0)
        os.waitpid(child, 0)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        other.join()
    assert shown.read_bytes() == b"from the child"


def test_a_program_started_in_silence_is_not_heard_later() -> None:
    command = [sys.executable, "-S", "-c", "import os; os.read(0, 1); os.write(2, b'theirs')"]
    with stderr.silence():  # another thread may start a program meanwhile
        program = subprocess.Popen(command, stdin=subprocess.PIPE)
    with stderr.silence(), stderr.capture() as messages:
        program.communicate(b".")
        os.write(2, b"ours")
    assert messages == [b"ours"]
