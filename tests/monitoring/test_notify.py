"""Tests of the notifications of a run, and of the harm that they must not do."""

import functools
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from batch.errors import OutboxError
from batch.monitoring import hooks, ping
from batch.terminal import console
from command import Digitbox
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())
NOTE = """
import json, os, sys
print(json.dumps([sys.argv[1], json.load(sys.stdin), dict(os.environ)]), file=open("calls", "a"))
"""
KEYS = {
    *("run", "command", "pid", "started_at", "finished_at", "seconds", "exit_code", "error", "model", "seen"),
    *("counts", "reasons", "left", "skipped", "settled", "coverage", "mean_confidence", "rate", "batches"),
    *("drift", "inputs", "recursive", "ignore", "results", "scans"),
}


@pytest.fixture
def hook(tmp_path: Path) -> str:
    """Return a command that writes down how digitbox calls it."""
    (tmp_path / "note.py").write_text(NOTE)
    return f"'{sys.executable}' note.py"


def calls(folder: Path) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    if not (folder / "calls").exists():
        return []
    return [tuple(json.loads(line)) for line in (folder / "calls").read_text().splitlines()]


def test_the_summary_is_one_object_with_every_key(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (inbox / "half.png").write_bytes(TWO[:90])
    (inbox / "notes.txt").touch()
    result = digitbox("run", "--summary", "summary.json")
    content = json.loads((tmp_path / "summary.json").read_text())
    assert set(content) == KEYS
    assert content["counts"] == {"ok": 1, "review": 0, "refused": 0, "failed": 1}
    assert content["reasons"] == {"truncated": 1}
    assert (content["seen"], content["left"], content["skipped"], content["coverage"]) == (2, 0, 1, 0.5)
    assert (content["exit_code"], content["command"], content["model"]) == (3, "run", "fake-1")
    assert content["mean_confidence"] == float(result.rows[0]["confidence"])
    assert content["results"] == [str(tmp_path / result.out.strip())]
    assert content["inputs"] == [str(inbox)]
    assert content["started_at"] <= content["finished_at"]


def test_a_pipe_that_nobody_reads_does_not_block(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (inbox / "two.png").write_bytes(TWO)
    result = digitbox("run", "--summary", "pipe", "--metrics-file", "pipe")
    assert (result.code, len(result.rows)) == (6, 1)
    assert "digitbox: cannot write the summary pipe: nobody reads this pipe; name another file" in result.err
    assert "cannot write the metrics file pipe: nobody reads this pipe" in result.err


def test_a_summary_on_stdout_is_the_only_line(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    result = digitbox("run", "--summary", "-")
    assert set(json.loads(result.out)) == KEYS
    assert len(result.out.splitlines()) == 1


def test_a_run_that_fails_has_a_summary(digitbox: Digitbox, tmp_path: Path) -> None:
    assert digitbox("run", "gone\n\udcff.png", "--summary", "summary.json").code == 4
    content = json.loads((tmp_path / "summary.json").read_text())
    assert (content["exit_code"], content["seen"], content["coverage"], content["results"]) == (
        4,
        0,
        None,
        [],
    )
    assert "gone" in content["error"] and "\\xff" in content["error"]
    assert not [text for text in (content["error"], *content["inputs"]) if not text.isprintable()]


@pytest.mark.parametrize("option", ["--summary", "--metrics-file"])
def test_a_file_in_no_folder_is_refused_at_once(digitbox: Digitbox, inbox: Path, option: str) -> None:
    (inbox / "a.png").write_bytes(TWO)
    result = digitbox("run", option, "no/folder/file")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert "no/folder" in result.err
    assert digitbox("run", option, "inbox").code == 2  # a folder
    assert digitbox("run", option, "outbox/file").code == 0  # which the run makes
    assert Path("outbox/file").exists()


def test_a_summary_that_cannot_be_written_ends_with_6(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (tmp_path / "old.json").write_text("old")
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith((".json", ".prom")):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    result = digitbox("run", "--summary", "old.json", "--quiet")
    assert (result.code, len(result.rows), len(result.err.splitlines())) == (6, 1, 1)
    assert json.loads(digitbox("history", "--json").out)[0]["exit_code"] == 6
    assert (tmp_path / "old.json").read_text() == "old"
    assert digitbox("run", "gone", "--summary", "old.json").code == 4
    result = digitbox("run", "--metrics-file", "old.prom", "--quiet")
    assert (result.code, len(result.err.splitlines())) == (0, 1)
    assert "No space left" in result.err
    assert not list(tmp_path.glob(".*.part"))

    def write_to_closed_stdout(_: object) -> bool:
        raise OutboxError("cannot write to stdout")

    monkeypatch.setattr(console, "print_line", write_to_closed_stdout)
    assert digitbox("run", "--summary", "-").code == 6


def test_files_are_replaced_whole_with_usual_rights(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "real.prom").write_text("old")
    (tmp_path / "link.prom").symlink_to("real.prom")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    digitbox("run", "--metrics-file", "link.prom", "--summary", "pipe")
    assert json.loads(os.read(reader, 1 << 16))["exit_code"] == 0
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "link.prom").is_symlink()
    assert "digitbox_last_run_success" in (tmp_path / "real.prom").read_text()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "real.prom").stat().st_mode) == 0o666 & ~umask


def test_the_last_success_outlives_failures(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    def success() -> list[str]:
        lines = (tmp_path / "m.prom").read_text().splitlines()
        return [line for line in lines if line.startswith("digitbox_last_success_timestamp_seconds{")]

    digitbox("run", "gone", "--metrics-file", "m.prom")
    assert success() == []
    digitbox("run", "--metrics-file", "m.prom")
    before = success()
    digitbox("run", "gone", "--metrics-file", "m.prom")
    assert success() == before != []


def test_hooks_are_called_with_the_summary(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, hook: str
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    both = ("--on-complete", f"{hook} complete", "--on-failure", f"{hook} failure")
    digitbox("run", *both)
    ((name, content, environment),) = calls(tmp_path)
    assert (name, set(content)) == ("complete", KEYS)
    assert environment["DIGITBOX_RUN_OK"] == "1"
    assert environment["DIGITBOX_RUN_EXIT_CODE"] == "0"
    assert environment["DIGITBOX_RUN_OUTBOX"] == str(tmp_path / "outbox")
    assert environment["DIGITBOX_RUN_ID"] == content["run"]
    (inbox / "half.png").write_bytes(TWO[:90])
    digitbox("run", *both)  # results are published, and a scan has failed
    assert [name for name, _, _ in calls(tmp_path)[1:]] == ["complete", "failure"]
    digitbox("run", "gone\n\udcff.png", *both)
    name, content, environment = calls(tmp_path)[3]
    assert (name, content["exit_code"], environment["DIGITBOX_RUN_EXIT_CODE"]) == ("failure", 4, "4")
    assert "\n" not in environment["DIGITBOX_RUN_ERROR"]


def test_a_run_that_a_hook_starts_calls_no_hook(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITBOX_RUN_ID", "of-the-run-that-called")
    assert digitbox("run", "--on-complete", f"{hook} complete").code == 0
    assert calls(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "timeout_s", "problem"),
    [
        ("sh -c 'exit 5'", hooks.TIMEOUT_S, "sh ended with 5"),
        ("tail -f /dev/null", 0.2, "tail took more than 0.2 s"),
    ],
)
def test_a_hook_that_fails_or_hangs_is_one_warning(
    digitbox: Digitbox,
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    timeout_s: float,
    problem: str,
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    monkeypatch.setattr(hooks, "call", functools.partial(hooks.call, timeout_s=timeout_s))
    result = digitbox("run", "--on-complete", command, "--quiet")
    assert (result.code, len(result.rows), len(result.err.splitlines())) == (0, 1, 1)
    assert problem in result.err


@pytest.mark.parametrize("quoted", ["'{}' 3 x", '"{}" 3', "'{}' '3'"])
def test_a_hook_with_a_blank_in_its_path_is_named(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, quoted: str
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    hook = tmp_path / "my tools" / "tell me"
    hook.parent.mkdir()
    hook.write_text('#!/bin/sh\nexit "$1"\n')
    hook.chmod(0o700)
    result = digitbox("run", "--on-complete", quoted.format(hook), "--quiet")
    assert result.err == f"digitbox: warning: --on-complete: {hook} ended with 3\n"


def test_a_hook_that_is_no_command_is_refused_at_once(digitbox: Digitbox, inbox: Path) -> None:
    for command in ("sh 'half", ""):
        result = digitbox("run", f"--on-failure={command}")
        assert (result.code, len(result.err.splitlines())) == (2, 1)
    result = digitbox("run", "--on-failure", "no-such-command", "--quiet")
    assert (result.code, len(result.err.splitlines())) == (0, 1)  # one warning, before the run
    assert "no such command: no-such-command" in result.err


def test_a_monitor_gets_success_and_failure(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings: list[tuple[str, bool]] = []

    def answer(address: str, *, failed: bool) -> str:
        pings.append((address, failed))
        return "host: no answer in time" if failed else ""

    monkeypatch.setattr(ping, "ping", answer)
    monkeypatch.setenv("DIGITBOX_PING", "https://me:secret@host/uuid")
    assert digitbox("run", "--quiet").err == ""
    result = digitbox("run", "gone")
    assert (result.code, len(result.err.splitlines())) == (4, 2)
    assert "secret" not in result.err and "uuid" not in result.err
    assert pings == [("https://me:secret@host/uuid", False), ("https://me:secret@host/uuid", True)]
    result = digitbox("run", "--ping", "ftp://me:secret@host")
    assert (result.code, len(pings)) == (2, 2)
    assert "--ping" in result.err and "secret" not in result.err


def test_a_dry_run_notifies_nobody(digitbox: Digitbox, inbox: Path, tmp_path: Path, hook: str) -> None:
    digitbox("run", "--dry-run", "--summary", "s.json", "--on-complete", f"{hook} complete")
    assert not (tmp_path / "s.json").exists() and calls(tmp_path) == []
