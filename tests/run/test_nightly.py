"""A run that nobody looks at: it ends in time, goes on the next night, and says how it went."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.engines import local
from batch.errors import ImageError
from batch.outbox.publisher import Outbox
from batch.records import TRANSIENT, Beat, Reason, ScanRef
from batch.storage.base import Content
from batch.storage.disk import Disk
from command import Digitbox, environment
from formats import FORMATS, two
from gate import gate_after
from pdfs import cards

TWO = FORMATS["png-8"](two())
BLANK = FORMATS["png-8"](np.full((40, 40), 240, np.uint8))


def drop(inbox: Path, count: int, content: bytes = TWO, prefix: str = "") -> None:
    """Scans, the last name the oldest."""
    for number in range(count):
        path = inbox / f"{prefix}{number}.png"
        path.write_bytes(content)
        os.utime(path, (1_700_000_000 - number,) * 2)


def summary_of(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    assert said["seen"] == sum(said["counts"].values()) + said["left"]
    return said


def test_a_file_of_several_pages_is_one_scan(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    """In `watch`, too. Rows, and so the sum `seen`, count its pages."""
    (inbox / "cards.pdf").write_bytes(cards(3, two()))
    os.utime(inbox / "cards.pdf", (1, 1))
    drop(inbox, 1)
    words = "1 scan of 3 pages: 3 ok, 0 review, 0 refused, 0 failed; 1 left"
    assert words in digitbox("run", "--only-new", "--max-files", "1", "--summary", "summary.json").err
    summary = summary_of(tmp_path)
    assert (summary["scans"], summary["seen"], summary["left"]) == (1, 4, 1)
    assert words in digitbox("status").out
    assert digitbox("history").out.splitlines()[1].split()[-6:] == ["1", "3", "0", "0", "0", "1"]
    assert "1 scan: 1 ok, " in digitbox("run", "--only-new").err


# Limits


def test_the_oldest_come_first_and_the_others_are_left(
    digitbox: Digitbox, inbox: Path, tmp_path: Path
) -> None:
    drop(inbox, 5)
    result = digitbox("run", "--only-new", "--max-files", "2", "--summary", "summary.json")
    assert result.code == 0
    assert [row["file"] for row in result.rows] == ["4.png", "3.png"]
    assert "3 left" in result.err
    assert digitbox("run", "--only-new", "--max-files", "1", "--dry-run").out == "2.png\n"
    nights = [digitbox("run", "--only-new", "--max-files", "2").rows for _ in range(3)]
    assert [[row["file"] for row in rows] for rows in nights] == [["2.png", "1.png"], ["0.png"], []]
    said = summary_of(tmp_path)
    assert (said["left"], said["counts"]["ok"], said["settled"], said["batches"]) == (3, 2, 0, 1)


def test_time_runs_out_at_the_border_of_a_batch(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    drop(inbox, 7)
    arguments = ("run", "--only-new", "--max-time", "0.000001s", "--batch-size", "3", "--workers", "1")
    nights = [digitbox(*arguments, "--summary", "summary.json") for _ in range(4)]
    assert [(night.code, len(night.rows)) for night in nights] == [(0, 3), (0, 3), (0, 1), (0, 0)]
    assert summary_of(tmp_path)["settled"] == 7


@pytest.mark.parametrize(
    ("tolerance", "code"), [((), 3), (("1",), 3), (("2",), 0), (("39%",), 3), (("40%",), 0), (("200%",), 2)]
)
def test_how_many_may_fail(digitbox: Digitbox, inbox: Path, tolerance: tuple[str, ...], code: int) -> None:
    drop(inbox, 3)
    drop(inbox, 2, TWO[:90], "half-")
    result = digitbox("run", *(("--max-failed", *tolerance) if tolerance else ()))
    assert result.code == code
    assert len(result.rows) == (0 if code == 2 else 5)


def test_nothing_to_read_may_be_an_error(digitbox: Digitbox, inbox: Path) -> None:
    drop(inbox, 1)
    assert digitbox("run", "--only-new", "--fail-if-empty").code == 0
    result = digitbox("run", "--only-new", "--fail-if-empty")
    assert (result.code, result.out, len(result.err.splitlines())) == (4, "", 1)
    assert digitbox("run", "--only-new").code == 0


def test_these_options_can_stand_in_the_file(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    drop(inbox, 3, TWO[:90])
    (tmp_path / "digitbox.toml").write_text(
        'max-files = 2\nmax-time = "2h"\nmax-failed = "100%"\nfail-if-empty = true\nsummary = "summary.json"'
    )
    assert digitbox("run", "--only-new").code == 0
    assert summary_of(tmp_path)["left"] == 1
    (tmp_path / "digitbox.toml").write_text("max-failed = 3\n")
    assert digitbox("run").code == 0


# What may pass


@pytest.mark.parametrize("reason", list(Reason))
def test_what_may_pass_is_read_again_but_not_for_ever(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    drop(inbox, 2)
    monkeypatch.setattr(Disk, "content", failing("1.png", reason))
    nights = [digitbox("run", "--only-new").rows for _ in range(5)]
    assert [(row["file"], row["reason"]) for row in nights[0]] == [("0.png", ""), ("1.png", reason.value)]
    assert [len(rows) for rows in nights[1:]] == ([1, 1, 0, 0] if reason in TRANSIENT else [0, 0, 0, 0])


def test_what_has_passed_is_read_once_more(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, 1)
    with monkeypatch.context() as patched:
        patched.setattr(Disk, "content", failing("0.png", Reason.UNREADABLE))
        assert digitbox("run", "--only-new").code == 3
    assert digitbox("run", "--only-new", "--dry-run").out == "0.png\n"
    assert [row["status"] for row in digitbox("run", "--only-new").rows] == ["ok"]
    assert digitbox("run", "--only-new").rows == []


def failing(name: str, reason: Reason) -> Callable[[Disk, ScanRef, int, Beat], Content]:
    content = Disk.content

    def opening(disk: Disk, ref: ScanRef, max_bytes: int, beat: Beat) -> Content:
        if ref.name == name:
            return ref, ImageError(reason)
        return content(disk, ref, max_bytes, beat)

    return opening


# Interruptions


def test_an_interrupted_night_goes_on_the_next_night(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, 10)
    add, batches = Outbox.add, []

    def adding(outbox: Outbox, outcomes: Any) -> None:
        batches.append(outcomes)
        if len(batches) == 4:
            raise KeyboardInterrupt
        add(outbox, outcomes)

    arguments = ("run", "--only-new", "--batch-size", "2", "--rows-per-file", "4", "--workers", "1")
    monkeypatch.setattr(Outbox, "add", adding)
    assert digitbox(*arguments, "--summary", "summary.json").code == 130
    said = summary_of(tmp_path)
    assert (said["counts"]["ok"], said["batches"], said["exit_code"]) == (4, 1, 130)  # what is published
    assert said["left"] >= 4 and len(said["results"]) == 1
    monkeypatch.setattr(Outbox, "add", add)
    result = digitbox(*arguments, "--summary", "summary.json")
    assert [row["file"] for row in result.rows] == [f"{number}.png" for number in range(4, 10)]
    assert (summary_of(tmp_path)["settled"], summary_of(tmp_path)["left"]) == (4, 0)
    ends = [(run["exit_code"], run["counts"]["ok"]) for run in json.loads(digitbox("history", "--json").out)]
    assert ends == [(0, 6), (130, 4)]


@pytest.mark.slow
def test_two_nights_never_overlap(tmp_path: Path, inbox: Path) -> None:
    """Two real processes: the second ends with 75 while the first stands still in its middle."""
    drop(inbox, 400)
    command = [sys.executable, "-m", "misbehaving", "run", "--only-new", "--summary"]

    def night(summary: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, summary],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with gate_after(inbox / "200.png") as gate, night("summary.json") as first:
        gate.wait(first)
        with night("second.json") as second:
            out, err = second.communicate()
        assert (second.returncode, out, len(err.splitlines())) == (75, "", 1), err
        assert json.loads((tmp_path / "second.json").read_text())["exit_code"] == 75
        assert first.poll() is None
        gate.open()
        out, err = first.communicate()
    assert (first.returncode, len(out.splitlines())) == (0, 1), err
    assert summary_of(tmp_path)["counts"]["ok"] == 401


# Drift


def test_more_to_review_than_ever_is_said_once_it_can_be_known(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, 58)
    drop(inbox, 2, BLANK, "blank-")
    for _ in range(5):
        result = digitbox("run", "--summary", "summary.json")
        assert "warning" not in result.err and summary_of(tmp_path)["drift"] == {}
    drop(inbox, 30, BLANK)
    result = digitbox("run", "--summary", "summary.json", "--quiet")
    assert (result.code, len(result.err.splitlines())) == (0, 1)
    assert "warning: 53.3% of the scans are refused, 3.3% in the runs before" in result.err
    assert summary_of(tmp_path)["drift"]["refused"]["share"] == pytest.approx(32 / 60, abs=1e-6)
    assert "more refused" in digitbox("history").out
    assert "53.3% of the scans are refused" in digitbox("status").out


def test_few_scans_are_no_alarm(digitbox: Digitbox, inbox: Path) -> None:
    drop(inbox, 60)
    for _ in range(5):
        digitbox("run")
    for path in inbox.iterdir():
        path.unlink()
    drop(inbox, 20, BLANK)
    assert "warning" not in digitbox("run").err


# Failures


def test_failures_before_the_outbox_are_in_the_history(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert digitbox("run", "gone").code == 4
    assert not (tmp_path / "outbox").exists()  # a run that fails at once makes no outbox
    drop(inbox, 1)
    digitbox("run")
    assert digitbox("run", "gone").code == 4
    monkeypatch.setattr(local.Engine, "map", lambda *_: 1 / 0)
    assert digitbox("run").code == 1
    (fake_model / "model.tflite").write_bytes(b"other")
    assert digitbox("run").code == 5
    runs = json.loads(digitbox("history", "--json").out)
    assert [run["exit_code"] for run in runs] == [5, 1, 4, 0]
    assert "no such file or folder" in runs[2]["error"] and "division by zero" in runs[1]["error"]
    assert all(run["finished_at"] for run in runs)
