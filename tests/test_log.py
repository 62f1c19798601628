import json

import pytest

from batch.log import Log


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
