"""Entries of runs, and heartbeats, in ledgers old and new."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batch.outbox import batches, run_history, settled
from batch.outbox import ledger as ledgers
from batch.outbox.batches import Batch, State
from batch.outbox.ledger import Ledger
from batch.outbox.publisher import Outbox
from batch.outbox.run_history import Heartbeat
from batch.outbox.run_stats import RunStats
from batch.records import After, Outcome, Reason, RunSummary, ScanRef, Status

RUN = RunSummary(run="a", command="run", pid=1, started_at="2026-01-31T02:00:00Z", inputs=("/in\udcff",))
BEAT = Heartbeat(1, "/in\udcff", "watching", "", "2026-01-31T02:00:00Z", every_s=30)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path)) as ledger:
        yield ledger


def outcome(number: int, reason: Reason | None = None) -> Outcome:
    ref = ScanRef(f"/{number}.png", f"{number}.png", 1, 1, 1)
    status = Status.OK if reason is None else Status.FAILED
    return Outcome(ref, status, reason, label=7, confidence=0.5)


def old_row(batch_id: str, outcome: Outcome) -> tuple[object, ...]:
    """Return a member as the first versions wrote it."""
    ref = outcome.ref
    path, name = os.fsencode(ref.path), os.fsencode(ref.name)
    return batch_id, path, name, ref.size_bytes, ref.mtime_ns, ref.inode, "", outcome.status.value, None


def test_an_entry_that_is_replaced_keeps_its_place(ledger: Ledger) -> None:
    second = replace(RUN, run="b", counts={"ok": 2}, drift={"review": {"z": 5.0}}, exit_code=3)
    run_history.write_run(ledger, RUN)
    run_history.write_run(ledger, second)
    ended = replace(RUN, exit_code=0, finished_at="2026-01-31T02:00:05Z", mean_confidence=0.5, left=2)
    run_history.write_run(ledger, ended)
    runs = run_history.last_runs(ledger, 10)
    assert [(run.run, run.exit_code, run.rows) for run in runs] == [("b", 3, 2), ("a", 0, 0)]
    assert runs == [second, ended]
    assert run_history.last_success(ledger) == ended
    assert [run.run for run in run_history.last_runs(ledger, 1)] == ["b"]


def test_the_oldest_entries_beyond_the_limit_go(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_history, "MAX_RUNS", 3)
    for number in range(5):
        run_history.write_run(ledger, replace(RUN, run=str(number)))
        run_history.write_run(ledger, replace(RUN, run=str(number), exit_code=0))
        run_history.trim_runs(ledger)
    assert [run.run for run in run_history.last_runs(ledger, 10)] == ["4", "3", "2"]


def test_entries_of_another_version_are_read(ledger: Ledger) -> None:
    content = '{"run": "a", "command": "run", "pid": 1, "started_at": "x", "colour": "red"}'
    ledger.execute("INSERT INTO runs VALUES ('a', NULL, ?)", (content,))
    assert run_history.last_runs(ledger, 1) == [RunSummary(run="a", command="run", pid=1, started_at="x")]


def test_a_heartbeat_knows_since_when(ledger: Ledger) -> None:
    assert run_history.read_heartbeat(ledger) is None
    for second in range(3):
        run_history.write_heartbeat(ledger, replace(BEAT, beat_at=f"2026-01-31T02:00:0{second}Z"))
    assert run_history.read_heartbeat(ledger) == replace(
        BEAT, beat_at="2026-01-31T02:00:02Z", since=BEAT.beat_at
    )
    paused = replace(BEAT, state="paused", detail="no room", beat_at="2026-01-31T02:00:05Z", every_s=60)
    run_history.write_heartbeat(ledger, paused)
    run_history.write_heartbeat(ledger, replace(paused, beat_at="2026-01-31T02:00:06Z"))
    assert run_history.read_heartbeat(ledger) == replace(
        paused, beat_at="2026-01-31T02:00:06Z", since=paused.beat_at
    )
    run_history.write_heartbeat(ledger, replace(BEAT, pid=2, beat_at="2026-01-31T02:00:07Z"))
    beat = run_history.read_heartbeat(ledger)
    assert beat is not None and (beat.pid, beat.since) == (2, "2026-01-31T02:00:07Z")
    assert len(ledger.execute("SELECT 1 FROM watcher")) == 1


def test_a_ledger_of_the_first_version(tmp_path: Path) -> None:
    first = ledgers.LEDGER._replace(steps=ledgers.LEDGER.steps[:1])
    with closing(Ledger(tmp_path, schema=first)) as old:
        old.execute("INSERT INTO watcher VALUES (1, ?, 'watching', '', 'then')", (os.fsencode("/in"),))
        old.begin()
        old.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", old_row("1", outcome(1)))
        batches.prepare(old, Batch("1", "1.csv", "", After.LEAVE, State.DISPOSED))
    with closing(Ledger(tmp_path, read_only=True)) as opened:  # which cannot bring it up to date
        assert (run_history.last_runs(opened, 5), run_history.last_success(opened)) == ([], None)
        assert run_history.read_heartbeat(opened) == Heartbeat(1, "/in", "watching", "", "then")
        assert settled.count_by_status(opened) == {Status.OK: 1}
        assert batches.unsettled(opened, [outcome(1).ref]) == []
    with closing(Ledger(tmp_path)) as opened:
        run_history.write_run(opened, RUN)
        run_history.write_heartbeat(opened, replace(BEAT, beat_at="now"))
        assert run_history.read_heartbeat(opened) == replace(BEAT, beat_at="now", since="now")
        assert len(run_history.last_runs(opened, 5)) == 1


def test_some_failures_count_after_several_attempts(ledger: Ledger) -> None:
    ref = outcome(1).ref
    for _ in range(3):
        assert batches.unsettled(ledger, [ref], attempts=3) == [ref]
        batches.add_members(ledger, "batch", [outcome(1, Reason.UNREADABLE)])
        assert batches.unsettled(ledger, [ref]) == []
    assert batches.unsettled(ledger, [ref], attempts=3) == []
    batches.add_members(
        ledger, "batch", [outcome(2, Reason.UNREADABLE), outcome(2), outcome(3, Reason.TRUNCATED)]
    )
    assert batches.unsettled(ledger, [outcome(2).ref, outcome(3).ref], attempts=9) == []


def test_a_killed_run_has_counted_its_published_rows(tmp_path: Path) -> None:
    """One commit has the rows and their count."""
    stats = RunStats("run")
    outbox = Outbox(tmp_path, format_name="csv", rows_per_file=2, with_probabilities=False, stats=stats)
    with outbox:
        outbox.add([outcome(1), outcome(2, Reason.EMPTY), outcome(3)])
        with closing(Ledger(tmp_path / ".digitbox", read_only=True)) as ledger:  # as after a kill now
            (entry,) = run_history.last_runs(ledger, 5)
        assert (entry.counts, entry.reasons, entry.batches) == ({"ok": 1, "failed": 1}, {"empty": 1}, 1)
        assert (entry.exit_code, entry.finished_at) == (None, None)
    with closing(Ledger(tmp_path / ".digitbox", read_only=True)) as ledger:
        (entry,) = run_history.last_runs(ledger, 5)
    assert (entry.counts, entry.exit_code) == ({"ok": 2, "failed": 1}, 0)


def test_dropped_rows_are_not_counted(tmp_path: Path) -> None:
    stats = RunStats("run")
    with (
        pytest.raises(KeyboardInterrupt),
        Outbox(tmp_path, format_name="csv", rows_per_file=2, with_probabilities=False, stats=stats) as outbox,
    ):
        outbox.add([outcome(number) for number in range(3)])
        raise KeyboardInterrupt
    with closing(Ledger(tmp_path / ".digitbox")) as ledger:
        (entry,) = run_history.last_runs(ledger, 5)
    assert (entry.counts, entry.exit_code, entry.error) == ({"ok": 2}, 130, "stopped by Ctrl-C")
