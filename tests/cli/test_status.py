"""Is all well, and what happened: for people, for programs, and with any ledger."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch.clock import iso
from batch.locations import STATE, RemoteOutbox, command_line
from batch.monitoring.health import check_health
from batch.outbox import ledger as ledgers
from batch.outbox import processes, run_history
from batch.outbox.ledger import Ledger
from batch.outbox.run_history import Heartbeat
from batch.records import RunSummary
from command import ROOT, Digitbox
from formats import FORMATS, two
from scene import Scene

TWO = FORMATS["png-8"](two())
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOBODY = 2**31 - 1  # no process has that number


def at(hours: float) -> str:
    """Hours before noon."""
    return iso(NOON - timedelta(hours=hours))


def run(number: int, hours: float, exit_code: int | None = 0, **more: Any) -> RunSummary:
    return RunSummary(
        run=str(number),
        command=more.pop("command", "run"),
        pid=more.pop("pid", NOBODY),
        started_at=at(hours),
        finished_at=None if exit_code is None else at(hours),
        exit_code=exit_code,
        **more,
    )


def beat(state: str, hours: float, **more: Any) -> Heartbeat:
    return Heartbeat(more.pop("pid", os.getpid()), "/in", state, more.pop("detail", ""), at(hours), at(5), 30)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    (tmp_path / "outbox" / ".digitbox").mkdir(parents=True)
    return tmp_path / "outbox"


@pytest.fixture(autouse=True)
def _long_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be older than the entries that name it."""
    monkeypatch.setattr(processes, "_began_at", lambda _: 0.0)


def problems(outbox: Path, *entries: RunSummary | Heartbeat, max_age_s: float | None = None) -> list[str]:
    with closing(Ledger(outbox / ".digitbox")) as ledger:
        for entry in entries:
            if isinstance(entry, Heartbeat):
                run_history.write_heartbeat(ledger, entry)
            else:
                run_history.write_run(ledger, entry)
    return check_health((str(outbox),), outbox, NOON.timestamp(), max_age_s).problems


WATCH = run(9, 5, None, command="watch", pid=os.getpid())


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([], "no run into"),
        ([run(1, 5)], ""),
        ([run(1, 30, 5, error="no model"), run(2, 5)], ""),
        ([run(1, 30), run(2, 5, 5, error="no model")], "ended with 5: no model"),
        ([run(1, 30), run(2, 5, 3, counts={"failed": 1, "ok": 3})], ""),  # none is failed now
        ([run(1, 30), run(2, 5, 143, error="stopped by SIGTERM")], "ended with 143"),
        ([run(1, 30), run(2, 5, None)], "was killed"),
        ([run(1, 30, None), run(2, 5)], ""),
        ([run(1, 30), run(2, 0, None, pid=os.getpid())], ""),
        ([run(1, 30, 6), run(2, 0, None, pid=os.getpid())], "ended with 6"),
        ([WATCH, beat("watching", 0.01)], ""),
        ([run(1, 30, 6), WATCH, beat("watching", 0.01)], ""),
        ([WATCH, beat("watching", 0.2)], "no sign of the watcher for 12 min"),
        ([WATCH, beat("paused", 0.01, detail="no room")], "the watcher is paused: no room"),
        ([replace(WATCH, pid=NOBODY), beat("watching", 0.01, pid=NOBODY)], "the watcher is gone"),
        ([run(9, 9, 0, command="watch"), beat("stopped", 5, pid=NOBODY)], ""),
        ([run(9, 9, 130, command="watch"), beat("stopped", 5, pid=NOBODY)], ""),
        ([beat("watching", 30, pid=NOBODY), run(1, 5)], ""),  # a run has taken its place since
        ([beat("watching", 30), run(1, 5)], ""),  # and another process its number
        ([beat("watching", 2, pid=NOBODY), run(1, 5)], "the watcher is gone"),
    ],
)
def test_what_is_well_and_what_is_not(
    outbox: Path, entries: list[RunSummary | Heartbeat], problem: str
) -> None:
    found = problems(outbox, *entries)
    if not problem:
        assert found == []
    else:
        assert any(problem in text for text in found), found


@pytest.mark.parametrize(
    ("silent_s", "problem"), [(5, ""), (20, "no sign of the watcher for 20 s: a scan, a")]
)
def test_a_watcher_that_hangs_is_seen_in_seconds(outbox: Path, silent_s: float, problem: str) -> None:
    """Its signs are those of a lock's time; the heartbeat in the ledger is rarer."""
    lock = outbox / ".digitbox" / "watcher.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (NOON.timestamp() - silent_s,) * 2)
    found = problems(outbox, WATCH, beat("watching", 1))
    assert [text.startswith(problem) for text in found] == [True] * bool(problem)


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


def test_a_watcher_that_was_killed_is_said_once(outbox: Path) -> None:
    watch = replace(WATCH, pid=NOBODY)
    assert len(problems(outbox, watch, beat("watching", 0.01, pid=NOBODY))) == 1


def test_a_success_may_be_too_long_ago(outbox: Path) -> None:
    entries = [run(1, 30), run(2, 29, 0)]
    assert problems(outbox, *entries, max_age_s=30 * 3600) == []
    assert problems(outbox, *entries, max_age_s=26 * 3600) == ["the last success is 29 h ago"]
    assert problems(outbox, WATCH, beat("watching", 0.01), max_age_s=60) == []


def test_no_success_at_all_is_too_long_ago(outbox: Path) -> None:
    assert "no run has succeeded yet" in problems(outbox, run(1, 1, 3), max_age_s=1e8)


# The commands


def test_without_a_ledger(digitbox: Digitbox, tmp_path: Path) -> None:
    result = digitbox("status")
    assert (result.code, result.err) == (1, "")
    assert "nothing has been read into outbox yet" in result.out
    assert json.loads(digitbox("status", "--json").out)["healthy"] is False
    assert not (tmp_path / "outbox").exists()


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
        "1 scan is new; read with digitbox run --only-new --outbox 'a b', or digitbox watch --outbox 'a b'\n"
    )


def test_a_watcher_that_is_gone_is_started_with_its_folders(outbox: Path) -> None:
    (found,) = problems(outbox, replace(WATCH, pid=NOBODY), beat("watching", 0.01, pid=NOBODY))
    assert found.endswith(f": start it again, digitbox watch /in --outbox {outbox}")


def test_a_command_for_an_outbox_in_a_store_names_its_state() -> None:
    address = "s3://bucket/results"
    assert command_line("export", RemoteOutbox(address)) == f"digitbox export --outbox {address}"
    with_state = command_line("export", RemoteOutbox(address, Path("/s")))
    assert with_state == f"digitbox export --outbox {address} --state /s"


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


def test_it_looks_on_while_a_run_goes_on(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(TWO)
    digitbox("run")
    seen: list[Any] = []
    note = run_history.write_run

    def noting(ledger: Ledger, summary: RunSummary) -> None:
        note(ledger, summary)
        if summary.rows:  # the batch is in a transaction that is open
            seen.append(check_health((), Path("outbox"), 0))

    monkeypatch.setattr(run_history, "write_run", noting)
    digitbox("run")
    assert [(found.running.rows, found.problems) for found in seen[:1]] == [(0, [])]


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


# A watcher


def test_a_watcher_has_one_entry_and_it_is_up_to_date(scene: Scene) -> None:
    seen: list[Any] = []
    for at_s in (0, 20):
        scene.ticking.at(at_s, lambda n=at_s: scene.drop(f"{n}.png", TWO))  # type: ignore[misc]
    scene.ticking.at(40, lambda: scene.drop("half.png", TWO[:90]))
    (scene.inbox / "folder.png").mkdir()  # is no scan, and does not wait
    now = datetime.now(UTC).timestamp()
    scene.ticking.at(30, lambda: seen.append(check_health((), scene.outbox, now)))
    scene.watch(90)
    scene.check()
    (found,) = seen
    assert (found.running.command, found.running.counts, found.problems) == ("watch", {"ok": 2}, [])
    assert (found.watcher_state, found.waiting) == ("watching", 0)
    after = check_health((), scene.outbox, now)
    assert after.problems == [] and after.watcher_state == "stopped" and after.running is None
    assert (after.last_run.exit_code, after.last_run.counts) == (0, {"ok": 2, "failed": 1})  # type: ignore[union-attr]
    with closing(sqlite3.connect(scene.outbox / ".digitbox" / ledgers.FILE)) as opened:
        assert opened.execute("SELECT COUNT(*) FROM runs").fetchone() == (1,)


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
