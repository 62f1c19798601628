"""A run from Python: the command's options, checked like the command's."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import digitbox
from batch import api
from batch.engines import pool
from batch.outbox.ledger import open_ledger
from batch.outbox.run_history import last_runs
from command import Digitbox, environment
from formats import FORMATS, two
from scene import Listener

pytestmark = pytest.mark.usefixtures("fake_model")


def test_a_run_takes_the_options_of_the_command(inbox: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "b-back.png"):
        (inbox / name).write_bytes(FORMATS["png-8"](two()))
    outbox = tmp_path / "out"
    options: dict[str, Any] = {"after": "move", "ignore": ["*-back.png"], "workers": 1, "max_time_s": 60}
    options["settle_s"] = 0
    summary = digitbox.run(inbox, outbox, max_failed="10%", **options)
    assert (summary.rows, summary.exit_code, summary.command) == (2, 0, "run")
    assert sorted(path.name for path in (outbox / "done").rglob("*.png")) == ["a.png", "b.png"]
    assert digitbox.run([inbox / "b-back.png"], str(outbox), workers=None).rows == 1


def test_its_counts_have_every_status(inbox: Path, tmp_path: Path) -> None:
    counts = digitbox.run(inbox, tmp_path / "out", workers=1).counts
    assert counts == {"ok": 0, "review": 0, "refused": 0, "failed": 0}
    (inbox / "a.png").write_bytes(FORMATS["png-8"](two()))
    counts = digitbox.run(inbox, tmp_path / "out", workers=1).counts
    assert counts == {"ok": 1, "review": 0, "refused": 0, "failed": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only_now": True}, "no option only_now: known are after, "),
        ({"max_time": 3}, "no option max_time"),
        ({"workers": 0}, "workers is 0: it must be 1 to 256"),
        ({"workers": True}, "workers must be a whole number, not True"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, not 2.5"),
        ({"review_below": float("nan")}, "review_below is nan: it must be 0 to 1"),
        ({"settle_s": float("nan")}, "settle_s is nan: it must be at least 0"),
        ({"settle_s": float("inf")}, "settle_s must be a finite number, not inf"),
        ({"settle_s": 10**400}, "settle_s must be a finite number, not 1000"),
        ({"review_below": "0.5"}, "review_below must be a number"),
        ({"max_files": 0}, "max_files is 0: it must be at least 1"),
        ({"max_files": 10**30}, "max_files is too large: give a smaller number"),
        ({"rows_per_file": 10**9999}, "rows_per_file is too large"),
        ({"max_time_s": 0}, "max_time_s is 0: give seconds"),
        ({"max_failed": "101%"}, "max_failed: '101%' is neither a number of scans"),
        ({"max_failed": 0.5}, "max_failed must be a whole number or text, not 0.5"),
        ({"max_failed": None}, "max_failed must be a whole number or text, not None"),
        ({"rows_per_file": None}, "rows_per_file must be a whole number, not None"),
        ({"only_new": 1}, "only_new must be True or False"),
        ({"after": np.array(["move", "leave"])}, "after must be one of leave, move, delete, not array"),
        ({"after": ["move"]}, "after must be one of"),
        ({"after": "burn"}, "after must be one of leave, move, delete, not 'burn'"),
        ({"format": "xml"}, "format must be one of csv, parquet"),
        ({"format": None}, "format must be one of csv, parquet"),
        ({"ignore": "*.png"}, "ignore must be a list of texts"),
        ({"model": 7}, "model must be text or a Path, not 7"),
        ({"model": ""}, "model must be the name of a file or folder, not ''"),
        ({"state": "~/x"}, "~/x begins with ~, which only a shell knows"),
        ({"state": b"x"}, "state must be text or a Path, not b'x'"),
        ({"workers": np.int64(0)}, "workers is 0: it must be 1 to 256"),
        ({"workers": np.float64(2)}, "workers must be a whole number, not 2.0"),
        ({"workers": np.True_}, "workers must be a whole number, not True"),
    ],
)
def test_wrong_options_are_errors(options: dict[str, Any], message: str, inbox: Path, tmp_path: Path) -> None:
    with pytest.raises(digitbox.ConfigError, match=message):
        digitbox.run([inbox], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["inputs", "outbox", "model", "digits", "after", "ignore"])
@pytest.mark.parametrize("value", [np.zeros((300, 300)), [np.zeros((300, 300))], b"pixels" * 500])
def test_a_message_shows_the_beginning_of_a_large_value(
    name: str, value: Any, inbox: Path, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {"inputs": inbox, "outbox": tmp_path / "out", name: value}
    with pytest.raises(digitbox.ConfigError, match=f"{name} must be .* not ") as caught:
        digitbox.run(**arguments)
    assert len(str(caught.value)) < 120


def test_a_table_as_inputs_is_an_error_that_says_what_to_give(inbox: Path, tmp_path: Path) -> None:
    table: Any = pd.DataFrame({"file": [str(inbox)]})
    with pytest.raises(digitbox.ConfigError, match=r"not DataFrame: give a column of it, e.g. list\(table"):
        digitbox.run(table, tmp_path / "out")
    mapping: Any = {str(inbox): 3}
    with pytest.raises(digitbox.ConfigError, match="not dict: give one of its values"):
        digitbox.run(mapping, tmp_path / "out")


def test_options_of_numpy_and_paths_are_taken(inbox: Path, fake_model: Path, tmp_path: Path) -> None:
    (inbox / "a.png").write_bytes(FORMATS["png-8"](two()))
    options: dict[str, Any] = {
        "workers": np.int64(1),
        "max_time_s": np.float32(60),
        "max_failed": np.uint8(1),
    }
    options |= {"only_new": np.bool_(True), "digits": np.int64(1), "review_below": np.float32(0.5)}
    assert digitbox.run(inbox, tmp_path / "out", model=fake_model, state=tmp_path, **options).rows == 1
    # As by default:
    options |= {
        "max_files": None,
        "max_time_s": None,
        "review_below": None,
        "ray_address": None,
        "state": None,
    }
    assert digitbox.run(inbox, tmp_path / "again", model=fake_model, **options).rows == 1


@pytest.mark.parametrize(
    ("inputs", "outbox", "message"),
    [
        ("inbox", "", "outbox must be the name of a file or folder, not ''"),
        ("inbox", "a\0b", r"no file can have the name 'a\\x00b'"),
        ("inbox", "\ud800", r"no file can have the name '\\ud800'"),
        ("\ud800.png", "out", r"no file can have the name '\\ud800.png'"),
        ("inbox", None, "outbox must be text or a Path, not None"),
        ("inbox", Path("~/out"), "~/out begins with ~, which only a shell knows"),
        ("", "out", "inputs must be the name of a file or folder, not ''"),
        (["inbox", ""], "out", "inputs must be the name of a file or folder, not ''"),
        (b"inbox", "out", "inputs must be text or a Path, not b'inbox'"),
        (7, "out", "inputs must be text or a Path, not 7"),
        (None, "out", "inputs must be text or a Path, not None"),
    ],
)
def test_what_is_no_name_is_an_error(
    inputs: Any, outbox: Any, message: str, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(FORMATS["png-8"](two()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(digitbox.ConfigError, match=message):
        digitbox.run(inputs, outbox, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["inbox"]


@pytest.mark.parametrize("inputs", [[], (), iter(()), set()])
def test_no_inputs_are_not_the_inbox(
    inputs: Any, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(FORMATS["png-8"](two()))
    monkeypatch.chdir(inbox.parent)  # the command would read this inbox
    assert inbox.name == "inbox"
    with pytest.raises(digitbox.ConfigError, match="no inputs: name at least one"):
        digitbox.run(inputs, tmp_path / "out", after="delete", settle_s=0, workers=1)
    assert [path.name for path in inbox.iterdir()] == ["a.png"]
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_is_in_the_history(inbox: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "out"
    digitbox.run(inbox, outbox, workers=1)
    with pytest.raises(digitbox.InputError, match="no scans to read"):
        digitbox.run(inbox, outbox, workers=1, fail_if_empty=True)
    with open_ledger(outbox, read_only=True) as ledger:
        assert [run.exit_code for run in last_runs(ledger, 5)] == [4, 0]


def test_warnings_are_not_printed_without_logging() -> None:
    code = "import digitbox, logging; logging.getLogger('batch.run.job').warning('fewer workers')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, env=environment())
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_run_logs_what_the_command_logs(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        (inbox / name).write_bytes(FORMATS["png-8"](two()))
    for outbox in ("first", "second"):
        Path(outbox).mkdir()
        Path(outbox, "done").touch()  # no scan can be moved there
    command = digitbox("run", str(inbox), "--outbox", "first", "--after", "move", "--settle", "0")
    log = Listener()
    monkeypatch.setattr(logging.getLogger("batch"), "handlers", [log])
    summary = api.run(inbox, "second", after="move", settle_s=0, workers=1)
    assert (summary.exit_code, summary.left) == (0, 0)
    assert log.of("summary")[0].startswith("2 scans: 2 ok")
    (warning,) = log.of("disposal")
    assert warning.startswith("2 scans could not be moved")
    assert f"digitbox: warning: {warning}\n" == command.err.replace("first", "second").splitlines(True)[-1]


def test_a_run_names_its_files_of_results(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        (inbox / name).write_bytes(FORMATS["png-8"](two()))
    monkeypatch.chdir(inbox.parent)
    summary = digitbox.run("inbox", "out", rows_per_file=1, workers=1)
    assert summary.results == tuple(map(str, sorted(inbox.parent.glob("out/*.csv"), key=os.path.getmtime)))
    assert len(summary.results) == 2
    assert digitbox.run("inbox", "out", only_new=True, workers=1).results == ()
    with open_ledger(Path("out"), read_only=True) as ledger:
        assert [run.results for run in last_runs(ledger, 5)] == [(), ()]


@pytest.mark.usefixtures("unlogged")
def test_a_run_prints_nothing(inbox: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (inbox / "a.png").write_bytes(FORMATS["png-8"](two()))
    digitbox.run(inbox, tmp_path / "out", workers=1)
    assert capfd.readouterr() == ("", "")


def test_a_run_with_one_worker_starts_no_process(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("a process of its own")

    for number in range(20):
        (inbox / f"{number}.png").write_bytes(FORMATS["png-8"](two()))
    monkeypatch.setattr(pool, "Worker", fail)
    assert digitbox.run(inbox, tmp_path / "out", workers=1).rows == 20


SCRIPT = """
import sys, threading
import digitbox

print("the script starts")
threading.Thread(target=threading.Event().wait, daemon=True).start()  # with it, digitbox cannot fork
print(digitbox.run(sys.argv[1], sys.argv[2], workers=2).rows, "rows")
"""


def test_a_script_that_new_workers_run_again_says_so(inbox: Path, tmp_path: Path) -> None:
    """Without a guard, each would begin a run of its own. They end, and the script reads the scans itself."""
    for number in range(20):
        (inbox / f"{number}.png").write_bytes(FORMATS["png-8"](two()))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(inbox), str(tmp_path / "out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    assert "20 rows\n" in done.stdout
    errors = {line for line in done.stderr.splitlines() if line.startswith("batch.errors.")}
    assert errors == {
        "batch.errors.ConfigError: a new process runs this script again: "
        'put the call of digitbox below `if __name__ == "__main__":`'
    }
