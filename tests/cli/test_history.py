"""Tests of the command `digitbox history`."""

import json
import os
import re
from pathlib import Path

import pytest

from command import Digitbox
from formats import FORMATS, two
from run_entries import problems, run

pytestmark = pytest.mark.usefixtures("long_lived")
TWO = FORMATS["png-8"](two())


def test_the_history_of_no_outbox_and_without_a_run(digitbox: Digitbox, tmp_path: Path) -> None:
    for arguments in ((), ("--json",), ("--outbox", "typo")):
        result = digitbox("history", *arguments)
        assert (result.code, result.out) == (4, "")
        assert "give the --outbox of your runs" in result.err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "outbox").mkdir()
    result = digitbox("history")
    assert (result.code, result.out, result.err) == (0, "", "no runs yet in outbox\n")
    assert digitbox("history", "--json").out == "[]\n"


def test_the_history_is_a_table(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    digitbox("run")
    digitbox("run", "gone\n\udcff=\x1b31m")
    heading, failed, done = digitbox("history").out.splitlines()
    columns = "started command took end scans ok review refused failed left"
    assert " ".join(heading.split()) == columns
    assert re.fullmatch(r"\S+ run \d+ (s|min) 0 1 1 0 0 0 0", " ".join(done.split()))
    assert failed.split()[4] == "4" and "no such file" in failed and "\x1b" not in failed
    assert len(digitbox("history", "--last", "1").out.splitlines()) == 2


def test_a_killed_run_is_called_so(digitbox: Digitbox, outbox: Path) -> None:
    problems(outbox, run(1, 5, None), run(2, 4, 0), run(3, 1, None, pid=os.getpid()))
    assert [line.split()[4] for line in digitbox("history").out.splitlines()[1:]] == [
        "running",
        "0",
        "killed",
    ]
    assert [entry["end"] for entry in json.loads(digitbox("history", "--json").out)] == [
        "running",
        "0",
        "killed",
    ]
