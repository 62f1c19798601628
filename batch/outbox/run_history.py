"""The history in the ledger: an entry for each run, and the last heartbeat of the watcher."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from batch.clock import seconds_of
from batch.outbox import processes, turns
from batch.outbox.ledger import Ledger
from batch.records import RunSummary
from batch.text import text_cell

MAX_RUNS = 10_000  # entries that the ledger keeps: with a run every five minutes, those of a month


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of a watcher.

    Attributes:
        pid: The process of the watcher.
        inbox: The folder that it watches.
        state: One of `watching`, `paused` and `stopped`.
        detail: Why it is paused.
        beat_at: The time of the sign; UTC, ISO 8601.
        since: The time from which on it has been in that state; None if an older digitbox wrote the sign.
        every_s: Seconds until the next sign is due; None if an older digitbox wrote the sign.
    """

    pid: int
    inbox: str
    state: str
    detail: str
    beat_at: str
    since: str | None = None
    every_s: float | None = None


def write_run(ledger: Ledger, summary: RunSummary) -> None:
    """Write the entry of a run, or replace it; an open transaction commits it with its batch."""
    content = json.dumps(asdict(summary))
    ledger.execute(
        "INSERT INTO runs VALUES (?, ?, ?) "
        "ON CONFLICT (run) DO UPDATE SET exit_code = excluded.exit_code, summary = excluded.summary",
        (summary.run, summary.exit_code, content),
    )


def write_end(ledger: Ledger, summary: RunSummary) -> None:
    """Write how an earlier run ended, if it has an entry; a new one would be the newest."""
    ledger.execute(
        "UPDATE runs SET exit_code = ?, summary = ? WHERE run = ?",
        (summary.exit_code, json.dumps(asdict(summary)), summary.run),
    )


def trim_runs(ledger: Ledger) -> None:
    """Delete the oldest entries beyond `MAX_RUNS`."""
    ledger.execute("DELETE FROM runs WHERE rowid <= (SELECT MAX(rowid) FROM runs) - ?", (MAX_RUNS,))


def last_runs(ledger: Ledger, count: int) -> list[RunSummary]:
    """Return the last entries, the newest first."""
    if not _has_runs(ledger):
        return []
    rows = ledger.execute("SELECT summary FROM runs ORDER BY rowid DESC LIMIT ?", (count,))
    return [_summary(content) for (content,) in rows]


def last_success(ledger: Ledger) -> RunSummary | None:
    """Return the newest entry with exit code 0; None if there is none."""
    if not _has_runs(ledger):
        return None
    rows = ledger.execute("SELECT summary FROM runs WHERE exit_code = 0 ORDER BY rowid DESC LIMIT 1")
    return _summary(rows[0][0]) if rows else None


def write_heartbeat(ledger: Ledger, heartbeat: Heartbeat) -> None:
    """Write that a watcher is alive; `since` stays as long as process and state stay."""
    pid, state, beat_at = heartbeat.pid, heartbeat.state, heartbeat.beat_at
    rows = ledger.execute("SELECT since FROM watcher WHERE pid = ? AND state = ?", (pid, state))
    since = (rows and rows[0][0]) or beat_at
    values = (
        pid,
        os.fsencode(heartbeat.inbox),
        state,
        text_cell(heartbeat.detail),  # a path in it may have bytes that are no text
        beat_at,
        since,
        heartbeat.every_s,
    )
    ledger.execute(
        "INSERT OR REPLACE INTO watcher (rowid, pid, inbox, state, detail, beat_at, since, every_s) "
        "VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def read_heartbeat(ledger: Ledger) -> Heartbeat | None:
    """Return the last heartbeat; None if no watcher ever wrote to this ledger."""
    new_columns = "since, every_s" if _has_runs(ledger) else "NULL, NULL"
    rows = ledger.execute(
        f"SELECT pid, inbox, state, detail, beat_at, {new_columns} FROM watcher"  # noqa: S608
    )
    if not rows:
        return None
    pid, inbox, *values = rows[0]
    return Heartbeat(pid, os.fsdecode(inbox), *values)


def is_running(run: RunSummary, folder: Path) -> bool:
    """Return whether the run of the newest entry goes on; an older one without an exit code was killed.

    Args:
        run: The entry.
        folder: The state folder of its outbox.
    """
    return run.exit_code is None and processes.is_alive(
        run.pid, seconds_of(run.started_at), turns.lock_of(folder)
    )


def _has_runs(ledger: Ledger) -> bool:
    """Return whether the ledger has the tables of its second version; only a writer brings it up to date."""
    return bool(ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'"))


def _summary(content: str) -> RunSummary:
    names = {field.name for field in fields(RunSummary)}
    values: dict[str, Any] = {name: value for name, value in json.loads(content).items() if name in names}
    for name in ("inputs", "ignore", "results"):  # JSON has no tuples
        values[name] = tuple(values.get(name, ()))
    return RunSummary(**values)
