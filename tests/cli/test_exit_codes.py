"""What is asked for wrongly, or cannot be had: one line, and an exit code of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.engines import local
from batch.errors import ExitCode
from batch.records import Outcome
from command import Digitbox, environment
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())


def test_no_input_makes_four(digitbox: Digitbox) -> None:
    assert digitbox("run").code == 4
    assert digitbox("run", "gone.png").code == 4
    assert digitbox("run", "*.png").code == 4
    assert "cannot look for" in digitbox("run", "x" * 300).err


@pytest.mark.parametrize("command", ["run", "watch", "report", "export --outbox", "run --outbox"])
def test_an_address_of_a_name_that_no_file_can_have(command: str, digitbox: Digitbox) -> None:
    result = digitbox(*command.split(), "file:///srv/a%00")
    assert (result.code, result.err) == (
        2,
        "digitbox: no file can have the name '/srv/a\\x00': correct it\n",
    )


@pytest.mark.parametrize("key", ["outbox", "inbox"])
def test_a_name_that_the_locale_does_not_have(key: str, tmp_path: Path) -> None:
    (tmp_path / "digitbox.toml").write_text(f'{key} = "größe"', encoding="utf-8")
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "batch", "run"],
        cwd=tmp_path,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 4:
        pytest.skip("this system has these letters in every locale")
    last = result.stderr.splitlines()[-1]
    assert (result.returncode, last) == (
        2,
        r"digitbox: no file can have the name 'gr\xf6\xdfe': correct it",
    )


@pytest.mark.parametrize("command", ["run", "explain"])
def test_no_message_names_another_command(command: str, digitbox: Digitbox) -> None:
    result = digitbox(command, "gone.png")
    message = "digitbox: no such file or folder: gone.png; name what to read, e.g. SCANS/\n"
    assert (result.code, result.err) == (4, message)


@pytest.mark.parametrize("command", ["run", "watch", "config"])
def test_config_behind_a_command_is_sent_before_it(digitbox: Digitbox, command: str) -> None:
    result = digitbox(command, "--config", "digitbox.toml")
    line = "digitbox: --config stands before the command: digitbox --config FILE COMMAND; see digitbox "
    assert (result.code, result.err[: len(line)]) == (2, line)


@pytest.mark.parametrize("option", ["--outbox", "--quiet=yes"])
def test_a_message_on_an_option_names_its_help(digitbox: Digitbox, option: str) -> None:
    result = digitbox("run", option)
    assert (result.code, result.err.endswith("; see digitbox run --help\n")) == (2, True), result.err


def test_wrong_usage_makes_two(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    assert digitbox("run", "--workers", "none").code == 2
    assert digitbox("run", "--no-such-option").code == 2
    assert digitbox("rnu").code == 2
    assert digitbox("run", "--outbox", "inbox/out").code == 2
    for arguments in (["run", "--workers", "none"], ["run", "--no-such-option"], ["rnu"]):
        result = digitbox(*arguments)
        assert len(result.err.splitlines()) == 1 and "--help" in result.err
    (tmp_path / "digitbox.toml").write_text("colour = 1")
    result = digitbox("run")
    assert result.code == 2
    assert len(result.err.strip().splitlines()) == 1
    (tmp_path / "digitbox.toml").write_text("workers = 0")
    result = digitbox("run")
    assert result.code == 2
    assert result.err.startswith("digitbox: digitbox.toml: Invalid value for '--workers'")


@pytest.mark.parametrize("text", ["colour = 1", "no TOML", "[run]\ncolour = 1", "rescan = '2s'"])
def test_no_digitbox_toml_hides_the_help(digitbox: Digitbox, tmp_path: Path, text: str) -> None:
    (tmp_path / "digitbox.toml").write_text(text)
    for command in ("run", "explain", "config"):
        for words in ((command, "--help"), ("--config", "gone.toml", command, "a.png", "-h")):
            result = digitbox(*words)
            assert (result.code, result.err) == (0, "")
            assert result.out.startswith(f"Usage: digitbox {command} ")
    for arguments in (["--", "--help"], ["--outbox", "--help"], ["--no-such-option"]):
        result = digitbox("run", *arguments)
        assert (result.code, result.out) == (2, "") and result.err.startswith("digitbox: digitbox.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", ""],
        ["run", "--outbox", ""],
        ["run", "--summary", ""],
        ["watch", ""],
        ["report", ""],
        ["apply", ""],
        ["retry", ""],
        ["explain", ""],
        ["export", "--output", ""],
        ["--config", "", "run"],
        ["evaluate", ""],
        ["evaluate", "x", "--report", ""],
        ["explore", ""],
        ["explore", "x", "--report", ""],
        ["train", "--extra", ""],
        ["train", "--models", ""],
    ],
    ids=" ".join,
)
def test_an_empty_name_is_not_the_current_folder(
    arguments: list[str], digitbox: Digitbox, inbox: Path, tmp_path: Path
) -> None:
    result = digitbox(*arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert "it is empty" in result.err
    assert list(tmp_path.iterdir()) == [inbox]


UNTELLABLE = "x" * 300
"""A name of which nobody can tell whether it is there, as in a folder that may not be looked into."""


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (4, ["run", UNTELLABLE]),
        (4, ["run", f"{UNTELLABLE}/*.png"]),
        (6, ["run", "inbox", "--outbox", UNTELLABLE]),
        (6, ["run", "inbox", "--only-new", "--dry-run", "--outbox", UNTELLABLE]),
        (5, ["run", "inbox", "--model", UNTELLABLE]),
        (2, ["run", "inbox", "--summary", f"{UNTELLABLE}/a.json"]),
        (4, ["watch", UNTELLABLE]),
        (6, ["watch", "inbox", "--outbox", UNTELLABLE]),
        (6, ["status", "--outbox", UNTELLABLE]),
        (6, ["history", "--outbox", UNTELLABLE]),
        (6, ["retry", "--outbox", UNTELLABLE]),
        (6, ["prune", "--older-than", "1d", "--outbox", UNTELLABLE]),
        (6, ["export", "--outbox", UNTELLABLE]),
        (4, ["report", UNTELLABLE]),
        (6, ["apply", "empty.csv", "--outbox", UNTELLABLE]),
        (4, ["explain", UNTELLABLE]),
    ],
    ids=lambda value: " ".join(value).replace(UNTELLABLE, "x") if isinstance(value, list) else None,
)
def test_a_path_that_cannot_be_looked_at_is_no_bug(
    code: int, arguments: list[str], digitbox: Digitbox, inbox: Path, tmp_path: Path
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (tmp_path / "empty.csv").write_text("file,sha256,batch,corrected\n")
    result = digitbox(*arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (code, "", 1)


def test_the_outbox_of_digitbox_toml_is_that_of_every_command(
    digitbox: Digitbox, inbox: Path, tmp_path: Path
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (tmp_path / "digitbox.toml").write_text("outbox = 'results'\ndry-run = false\nmodel = 'fake'")
    assert digitbox("run").code == 0
    assert digitbox("report").out.startswith("results/report-")
    assert "1 row of 1 file" in digitbox("export").err
    assert "all is well" in digitbox("status").out
    assert digitbox("history").out.count("run") == 1
    assert "1 scan is new" in digitbox("retry", "--status", "ok").err
    assert not (tmp_path / "outbox").exists()


def test_a_missing_model_makes_five(digitbox: Digitbox, inbox: Path, fake_model: Path) -> None:
    assert digitbox("run", "--model", "none").code == 5
    (fake_model / "model.tflite").write_bytes(b"other")
    assert digitbox("run").code == 5


def test_an_outbox_that_cannot_be_written_makes_six(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = digitbox("run", "--outbox", "file")
    assert result.code == 6
    assert len(result.err.strip().splitlines()) == 1
    assert "Not a directory" in result.err


def test_a_missing_extra_makes_seven(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = digitbox("run", "--format", "parquet")
    assert result.code == 7
    assert "digitbox[parquet]" in result.err
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    result = digitbox("train")
    assert result.code == 7
    assert "digitbox[train]" in result.err


def test_a_damaged_ledger_makes_eight(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    state = tmp_path / "outbox" / ".digitbox"
    state.mkdir(parents=True)
    (state / "ledger.sqlite3").write_text("no data base")
    for arguments in ([], ["--only-new", "--dry-run"]):
        result = digitbox("run", *arguments)
        assert (result.code, result.out, len(result.err.splitlines())) == (8, "", 1)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]
)
def test_a_second_signal_would_end_a_run_at_once(
    number: signal.Signals, code: int, digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    handlers: list[object] = []

    def stopped(*_: object) -> Iterator[list[Outcome]]:
        try:
            os.kill(os.getpid(), number)
            yield []
        finally:
            handlers.append(signal.getsignal(number))

    monkeypatch.setattr(local.Engine, "map", stopped)
    assert digitbox("run").code == code
    assert handlers == [signal.SIG_DFL]


def test_every_exit_code_is_in_the_help(digitbox: Digitbox) -> None:
    shown = digitbox("--help").out
    assert [code.value for code in ExitCode if f"\n    {code.value:<5}" not in shown] == []
