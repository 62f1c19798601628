"""What libraries write to stderr: captured in order, and kept off the terminal."""

import os

import pytest

from batch.terminal import stderr


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


def test_an_error_ends_the_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), stderr.silence(), stderr.capture():
        raise KeyError
    with stderr.capture() as messages:
        os.write(2, b"heard")
    assert messages == [b"heard"]
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


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
