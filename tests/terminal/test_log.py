import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from batch.errors import ConfigError
from batch.terminal import log
from batch.terminal.log import Repeated, event

LOGGER = logging.getLogger("batch.terminal.test")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    log.set_up()


def lines(text: str) -> list[str]:
    """Return the lines without their times."""
    return [line.split(" ", 1)[1] for line in text.splitlines()]


def test_sentences_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.info("3 scans")
    LOGGER.debug("not said")
    LOGGER.warning("no room")
    LOGGER.error("no model: name one")
    assert capsys.readouterr().err == ("3 scans\ndigitbox: warning: no room\ndigitbox: no model: name one\n")


def test_a_line_is_printed_once_whatever_a_library_sets_up(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stderr)  # as TensorFlow does
    logging.getLogger().addHandler(handler)
    try:
        LOGGER.info("held out: 9 of 10")
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err == "held out: 9 of 10\n"


def test_details_are_said_only_if_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(verbose=True)
    LOGGER.debug("a.png: failed")
    assert capsys.readouterr().err == "a.png: failed\n"


def test_a_service_says_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(with_times=True, quiet=True)
    LOGGER.info("not said")
    LOGGER.warning("no room")
    (line,) = capsys.readouterr().err.splitlines()
    assert line[4] == line[7] == "-" and line[19:] == "Z no room"


def test_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(log_format="json")
    LOGGER.info("3 scans,\none bad \udcff", extra=event("batch", scans=3))
    LOGGER.error("no model")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("Z") and second.pop("time").endswith("Z")
    assert first == {"level": "info", "event": "batch", "text": "3 scans,\none bad \udcff", "scans": 3}
    assert second == {"level": "error", "event": "error", "text": "no model"}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_kept(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(log_format=log_format)
    try:
        raise ValueError("bad \x1b[31m")
    except ValueError as error:
        LOGGER.critical("this is a bug", exc_info=error)
    text = capsys.readouterr().err
    assert "\x1b" not in text and "test_a_traceback_is_kept" in text
    if log_format == "json":
        assert json.loads(text)["traceback"][0] == "Traceback (most recent call last):"
    else:
        assert text.splitlines()[-1] == "digitbox: this is a bug"


def test_a_file_has_more_than_a_quiet_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.log"
    log.set_up(quiet=True, file=path)
    LOGGER.info("3 scans\nof a\x1b[31m")
    LOGGER.warning("no room \udcff")
    assert capsys.readouterr().err == "digitbox: warning: no room \\xff\n"
    written = path.read_text(encoding="utf-8")
    assert lines(written) == ["3 scans\\x0aof a\\x1b[31m", "digitbox: warning: no room \\xff"]


def test_a_file_follows_who_rotates_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("before\n")
    log.set_up(file=path)
    LOGGER.info("one")
    path.rename(tmp_path / "a.log.1")
    LOGGER.info("two")
    assert lines((tmp_path / "a.log.1").read_text().removeprefix("before\n")) == ["one"]
    assert lines(path.read_text()) == ["two"]
    os.truncate(path, 0)
    LOGGER.info("three")
    assert lines(path.read_text()) == ["three"]
    path.unlink()
    path.touch()  # as logrotate's `create` does
    LOGGER.info("four")
    assert lines(path.read_text()) == ["four"]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log.set_up(file=folder / "a.log")
    folder.rename(tmp_path / "away")
    LOGGER.info("lost")
    folder.mkdir()
    LOGGER.info("written")
    assert lines((folder / "a.log").read_text()) == ["written"]
    assert (tmp_path / "away" / "a.log").read_text() == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")
def test_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        log.set_up(file=Path("/dev/full"))
        LOGGER.info("3 scans")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
    with suppress(OSError):
        log.set_up()


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone" / "a.log", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match="another --log-file"):
            log.set_up(file=path)


def test_a_warning_is_logged_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up()
    warning = Repeated(LOGGER, "disk")
    for text in ("full", "full", "", "full", "gone"):
        warning.warn(text)
    assert capsys.readouterr().err.splitlines() == [
        "digitbox: warning: full",
        "digitbox: warning: full",
        "digitbox: warning: gone",
    ]
