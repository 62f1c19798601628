"""Tests of the health of an outbox: which entries of its ledger are a problem."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch.errors import LedgerError
from batch.locations import LEDGER_FILE
from batch.monitoring.health import check_health
from batch.outbox import run_history
from batch.outbox.ledger import Ledger
from batch.outbox.run_history import Heartbeat
from batch.records import RunSummary
from command import Digitbox
from formats import FORMATS, two
from run_entries import NOBODY, NOON, WATCH, beat, problems, run
from scene import Scene

pytestmark = pytest.mark.usefixtures("long_lived")
TWO = FORMATS["png-8"](two())


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


def test_a_watcher_that_is_gone_is_started_with_its_folders(outbox: Path) -> None:
    (found,) = problems(outbox, replace(WATCH, pid=NOBODY), beat("watching", 0.01, pid=NOBODY))
    assert found.endswith(f": start it again, digitbox watch /in --outbox {outbox}")


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
    with closing(sqlite3.connect(scene.outbox / ".digitbox" / LEDGER_FILE)) as opened:
        assert opened.execute("SELECT COUNT(*) FROM runs").fetchone() == (1,)


def test_damage_in_any_page_of_the_ledger_is_found(outbox: Path) -> None:
    problems(outbox, run(1, 1))
    ledger = outbox / ".digitbox" / LEDGER_FILE
    content = ledger.read_bytes()
    for page in range(0, len(content), 4096):
        ledger.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])
        with pytest.raises(LedgerError, match="is damaged"):
            check_health((str(outbox),), outbox, NOON.timestamp())
