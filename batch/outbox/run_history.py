"""The history in the ledger: an entry for each run, and the heartbeat of the watcher."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from batch.outbox.ledger import Ledger
from batch.records import RunSummary, Status

MAX_RUNS = 10_000  # entries: of a run every five minutes, those of a month


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of a watcher.

    Attributes:
        pid: of its process.
        inbox: folder that it watches.
        state: `watching`, `paused` or `stopped`.
        detail: why it is paused.
        beat_at: when, UTC.
        since: when it came to be in that state; None where a former version wrote it.
        every_s: seconds until the next, when nothing keeps it from that; None as above.
    """

    pid: int
    inbox: str
    state: str
    detail: str
    beat_at: str
    since: str | None = None
    every_s: float | None = None


def write_run(ledger: Ledger, summary: RunSummary) -> None:
    """Writes the entry of a run, or writes it anew; in one commit with the batch that is being prepared."""
    content = json.dumps(asdict(summary))
    ledger.execute(
        "INSERT INTO runs VALUES (?, ?, ?) "
        "ON CONFLICT (run) DO UPDATE SET exit_code = excluded.exit_code, summary = excluded.summary",
        (summary.run, summary.exit_code, content),
    )


def trim_runs(ledger: Ledger) -> None:
    """Drops the oldest entries when there are very many."""
    ledger.execute("DELETE FROM runs WHERE rowid <= (SELECT MAX(rowid) FROM runs) - ?", (MAX_RUNS,))


def last_runs(ledger: Ledger, count: int) -> list[RunSummary]:
    """The last entries, the newest first."""
    if not _has_runs(ledger):
        return []
    rows = ledger.execute("SELECT summary FROM runs ORDER BY rowid DESC LIMIT ?", (count,))
    return [_summary(content) for (content,) in rows]


def last_success(ledger: Ledger) -> RunSummary | None:
    """The newest entry with exit code 0."""
    if not _has_runs(ledger):
        return None
    rows = ledger.execute("SELECT summary FROM runs WHERE exit_code = 0 ORDER BY rowid DESC LIMIT 1")
    return _summary(rows[0][0]) if rows else None


def count_by_status(ledger: Ledger) -> Mapping[Status, int]:
    """How many scans there are by status; of one that was read several times, the last row counts."""
    rows = ledger.execute(
        "SELECT status, COUNT(*) FROM (SELECT status, MAX(rowid) FROM members "
        "GROUP BY path, size_bytes, mtime_ns) GROUP BY status"
    )
    return {Status(status): count for status, count in rows}


def write_heartbeat(ledger: Ledger, heartbeat: Heartbeat) -> None:
    """Notes that a watcher is alive, and what it does; `since` stays as long as it does the same."""
    pid, state, beat_at = heartbeat.pid, heartbeat.state, heartbeat.beat_at
    known = ledger.execute("SELECT since FROM watcher WHERE pid = ? AND state = ?", (pid, state))
    since = (known and known[0][0]) or beat_at
    values = (
        pid,
        os.fsencode(heartbeat.inbox),
        state,
        heartbeat.detail,
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
    """The last one; None when no watcher ever wrote to this ledger."""
    more = "since, every_s" if _has_runs(ledger) else "NULL, NULL"
    rows = ledger.execute(f"SELECT pid, inbox, state, detail, beat_at, {more} FROM watcher")  # noqa: S608
    if not rows:
        return None
    pid, inbox, *rest = rows[0]
    return Heartbeat(pid, os.fsdecode(inbox), *rest)


def is_running(run: RunSummary) -> bool:
    """Whether a run goes on, and was not killed; of the newest entry only, as there is one run at a time."""
    return run.exit_code is None and is_alive(run.pid)


def is_alive(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _has_runs(ledger: Ledger) -> bool:
    """Whether it is no ledger of the first version, which only a writer brings up to date."""
    return bool(ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'"))


def _summary(content: str) -> RunSummary:
    known = {field.name for field in fields(RunSummary)}
    values: dict[str, Any] = {name: value for name, value in json.loads(content).items() if name in known}
    for name in ("inputs", "ignore"):  # JSON knows no tuples
        values[name] = tuple(values.get(name, ()))
    return RunSummary(**values)
