import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from batch.errors import ConfigError
from batch.terminal.log import Log, LogFile


def test_a_sentence_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Log().info("batch", "3 scans", scans=3)
    Log(quiet=True).info("batch", "not said")
    Log(quiet=True).warning("paused", "no room")
    Log().detail("scan", "not said")
    Log(verbose=True).detail("scan", "a.png: failed")
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["3 scans", "no room", "a.png: failed"]


def test_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Log(as_json=True).info("batch", "3 scans,\none bad \udcff", scans=3)
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("time").endswith("Z")
    assert said == {"event": "batch", "text": "3 scans,\none bad \udcff", "scans": 3}


def test_a_file_has_what_stderr_has_and_what_it_is_spared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    log = Log(quiet=True, file=LogFile(path))
    log.info("batch", "3 scans\nof a\x1b[31m")
    log.warning("paused", "no room \udcff")
    assert [line[21:] for line in capsys.readouterr().err.splitlines()] == ["no room \\xff"]
    said = path.read_text(encoding="utf-8").splitlines()
    assert [line[21:] for line in said] == ["3 scans\\x0aof a\\x1b[31m", "no room \\xff"]


def test_a_file_is_appended_to_and_follows_who_rotates_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("before\n")
    file = LogFile(path)
    file.write("one")
    path.rename(tmp_path / "a.log.1")
    file.write("two")
    assert (tmp_path / "a.log.1").read_text() == "before\none\n"
    assert path.read_text() == "two\n"
    os.truncate(path, 0)
    file.write("three")
    assert path.read_text() == "three\n"
    path.unlink()
    path.touch()  # as logrotate's `create` does
    file.write("four")
    assert path.read_text() == "four\n"
    file.close()


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = LogFile(folder / "a.log")
    folder.rename(tmp_path / "away")
    file.write("not heard")
    folder.mkdir()
    file.write("heard")
    assert (folder / "a.log").read_text() == "heard\n"
    assert (tmp_path / "away" / "a.log").read_text() == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")
def test_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        Log(file=LogFile(Path("/dev/full"))).info("batch", "3 scans")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone" / "a.log", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match="another --log-file"):
            LogFile(path)
