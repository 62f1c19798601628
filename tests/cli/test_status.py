"""Tests of the command `digitbox status`, for people, for programs, and with any ledger."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch.clock import iso
from batch.locations import STATE
from batch.outbox import ledger as ledgers
from batch.outbox import run_history
from batch.outbox.ledger import Ledger
from command import ROOT, Digitbox
from formats import FORMATS, two
from run_entries import NOBODY, WATCH, beat, problems, run

pytestmark = pytest.mark.usefixtures("long_lived")
TWO = FORMATS["png-8"](two())


@pytest.mark.parametrize("is_alive", [False, True])
def test_status_has_one_age_of_the_last_sign(digitbox: Digitbox, outbox: Path, is_alive: bool) -> None:
    now, pid = datetime.now(UTC), os.getpid() if is_alive else NOBODY
    heartbeat = replace(beat("watching", 0, pid=pid), beat_at=iso(now - timedelta(minutes=7)))
    problems(outbox, replace(WATCH, pid=pid), heartbeat)
    lock = outbox / ".digitbox" / "watcher.lock"
    lock.touch()
    os.utime(lock, (now.timestamp() - 120,) * 2)
    said = digitbox("status").out
    assert re.findall("last sign (.*) ago", said) == ["2 min"] * (1 if is_alive else 2), said


def test_a_run_that_goes_on_has_not_left_the_others(digitbox: Digitbox, outbox: Path) -> None:
    """It counts only those that it has found, and many more may wait."""
    problems(outbox, run(1, 0, None, pid=os.getpid(), scans=4, counts={"ok": 4}, left=50))
    (line,) = [line for line in digitbox("status").out.splitlines() if line.startswith("running")]
    assert line.endswith("; 4 scans: 4 ok, 0 review, 0 refused, 0 failed")


def test_without_a_ledger(digitbox: Digitbox, tmp_path: Path) -> None:
    result = digitbox("status")
    assert (result.code, result.err) == (1, "")
    assert "nothing has been read into outbox yet" in result.out
    assert json.loads(digitbox("status", "--json").out)["healthy"] is False
    assert not (tmp_path / "outbox").exists()


def test_what_waits(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    (inbox / "half.png").write_bytes(TWO[:90])
    digitbox("run", "--max-failed", "1", "--ignore", "*-back.png")
    result = digitbox("status")
    assert result.code == 0
    assert "all is well" in result.out and "waiting        0 scans" in result.out
    assert "2 scans: 1 ok, 0 review, 0 refused, 1 failed" in result.out
    for name, age_s in (("b.png", 7200), ("c.png", 86400 * 3), ("c-back.png", 86400 * 9)):
        (inbox / name).write_bytes(TWO)
        os.utime(inbox / name, (datetime.now().timestamp() - age_s,) * 2)
    assert "waiting        2 scans, the oldest for 3 d" in digitbox("status").out
    said = json.loads(digitbox("status", "--json").out)
    assert (said["waiting"], said["counts"]["failed"], said["healthy"]) == (2, 1, True)
    assert said["oldest_waiting_at"] == pytest.approx((inbox / "c.png").stat().st_mtime, abs=0.01)
    assert (said["inputs"], said["outbox"]) == ([str(inbox)], str(tmp_path / "outbox"))
    assert said["last_run"]["run"] == said["last_success"]["run"]
    assert json.loads(digitbox("status", str(inbox / "b.png"), "--json").out)["waiting"] == 1
    shutil.rmtree(inbox)
    result = digitbox("status")
    assert (result.code, result.err) == (1, "")
    assert "no such file or folder" in result.out


def test_scans_of_a_glob_wait_in_a_folder_with_brackets(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Scans [2026]").mkdir()
    monkeypatch.chdir(tmp_path / "Scans [2026]")
    for name, waiting in (("a.png", 0), ("b.png", 1)):
        Path(name).write_bytes(TWO)
        if not waiting:
            assert digitbox("run", "*.png", "--outbox", "../out").code == 0
        assert f"waiting        {waiting} scan" in digitbox("status", "--outbox", "../out").out
    folder = (tmp_path / "Scans [2026]").rename(tmp_path / "away").with_name("Scans [2026]")
    gone = digitbox("status", str(folder), "--outbox", str(tmp_path / "out"))
    assert gone.code == 1 and f"no such file or folder: {folder}" in gone.out


def test_a_failed_scan_is_a_problem_until_it_is_new_again(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "half.png").write_bytes(TWO[:90])
    assert digitbox("run").code == 3
    result = digitbox("status")
    assert result.code == 1
    assert (
        "1 scan of the last run could not be read: see them with digitbox export --status failed, and read "
        "them again with digitbox retry"
    ) in result.out
    assert digitbox("retry").err.startswith("1 scan is new")
    result = digitbox("status")
    assert result.code == 0 and "waiting        1 scan" in result.out


def test_the_commands_to_give_next_name_the_outbox(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "half.png").write_bytes(TWO[:90])
    assert digitbox("run", "--outbox", "a b").code == 3
    said = digitbox("status", "--outbox", "a b").out
    assert "with digitbox export --status failed --outbox 'a b', and read" in said
    assert "again with digitbox retry --outbox 'a b'\n" in said
    assert digitbox("retry", "--outbox", "a b").err == (
        "1 scan is new; read with digitbox run INPUT --only-new --outbox 'a b', or "
        "digitbox watch INBOX --outbox 'a b'; name INPUT or INBOX as before, and "
        "--digits if you gave it\n"
    )


@pytest.mark.parametrize("after", ["move", "delete"])
@pytest.mark.parametrize("name", ["a.png", "*.png"])
def test_scans_that_have_left_do_not_wait(name: str, after: str, digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.png").write_bytes(TWO)
    run = ("run", f"{inbox}/{name}", "--after", after, "--settle", "0")
    assert digitbox(*run).code == 0
    result = digitbox("status")
    assert result.code == 0 and "waiting        0 scans" in result.out
    again = digitbox(*run)
    assert again.code == (0 if "*" in name else 4)
    result = digitbox("status", f"{inbox}/b.png")
    assert result.code == 1 and "no such file or folder" in result.out


def test_the_outbox_of_the_file_is_looked_at(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "digitbox.toml").write_text('outbox = "elsewhere"\nreview-below = 0.5\n')
    (inbox / "a.png").write_bytes(TWO)
    assert digitbox("run").code == 0
    assert digitbox("status").code == 0
    assert len(json.loads(digitbox("history", "--json").out)) == 1


def test_a_damaged_ledger_makes_eight(digitbox: Digitbox, outbox: Path) -> None:
    (outbox / ".digitbox" / "ledger.sqlite3").write_text("no data base")
    for command in ("status", "history"):
        result = digitbox(command)
        assert (result.code, result.out, len(result.err.splitlines())) == (8, "", 1)


def test_a_ledger_in_the_making_is_not_damaged(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    """A first run that is killed as it makes its ledger leaves an empty file."""
    for name in ("ledger.sqlite3", "corrections.sqlite3"):
        (outbox / ".digitbox" / name).touch()
    result = digitbox("status", str(inbox))
    assert (result.code, result.err) == (1, "") and "no run into outbox yet: start one" in result.out
    commands = ("export", "retry --dry-run", "prune --older-than 1d --dry-run", "run --only-new --dry-run")
    assert [digitbox(*command.split()).code for command in commands] == [0] * len(commands)


def test_a_ledger_of_the_first_version(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    first = ledgers.LEDGER._replace(steps=ledgers.LEDGER.steps[:1])
    Ledger(outbox / ".digitbox", schema=first).close()
    before = (outbox / ".digitbox" / "ledger.sqlite3").read_bytes()
    result = digitbox("status", str(inbox))
    assert result.code == 1 and "no run into outbox yet" in result.out
    assert digitbox("history").code == 0
    assert (outbox / ".digitbox" / "ledger.sqlite3").read_bytes() == before


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_where_nothing_can_be_written(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    """SQLite would make files beside a ledger to read it."""
    (inbox / "a.png").write_bytes(TWO)
    digitbox("run")
    for beside in (tmp_path / "outbox" / ".digitbox").glob("*-*"):
        beside.unlink()
    script = 'mount --bind outbox outbox && mount -o remount,ro,bind outbox && exec "$@"'
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system of one's own here")
    command = [sys.executable, "-m", "batch", "status", "inbox"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*before, *command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all is well" in done.stdout


def test_who_may_only_read_an_outbox_is_told_how_it_is(outbox: Path) -> None:
    with closing(Ledger(outbox / ".digitbox")) as opened:
        run_history.write_run(opened, run(1, 1))
    command = [sys.executable, "-m", "batch", "status", "--outbox", str(outbox)]
    if os.geteuid() == 0:
        no_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        if not shutil.which("setpriv") or subprocess.run([*no_rights, "true"], check=False).returncode:
            pytest.skip("root cannot give up its rights here")
        command = [*no_rights, *command]
    state = outbox / ".digitbox"
    for mode, code, text in ((0o555, 0, "all is well"), (0, 6, "allow it")):
        state.chmod(mode)
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        state.chmod(0o755)
        assert (done.returncode, len(done.stderr.splitlines())) == (code, code and 1), done.stderr
        assert text in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["status", "status --json", "status --deep", "history", "history --json"])
def test_results_without_a_ledger_are_not_nothing(digitbox: Digitbox, inbox: Path, command: str) -> None:
    """E.g. a copy of an outbox without its hidden folder."""
    (inbox / "a.png").write_bytes(TWO)
    digitbox("run")
    shutil.rmtree(inbox.parent / "outbox" / STATE)
    result = digitbox(*command.split())
    assert "outbox has files of results and no ledger" in result.out + result.err
    assert "nothing has been read" not in result.out and "no runs yet" not in result.err
    assert result.code == (1 if "status" in command else 4)
