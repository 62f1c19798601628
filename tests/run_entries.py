"""Entries of runs and watchers in a ledger, for tests of what digitbox says of them."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from batch.clock import iso
from batch.monitoring.health import check_health
from batch.outbox import run_history
from batch.outbox.ledger import Ledger
from batch.outbox.run_history import Heartbeat
from batch.records import RunSummary

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOBODY = 2**31 - 1  # no process has that number


def at(hours: float) -> str:
    """Return a time so many hours before noon."""
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


def problems(outbox: Path, *entries: RunSummary | Heartbeat, max_age_s: float | None = None) -> list[str]:
    """Write entries to the ledger of an outbox, and return the problems that digitbox finds there."""
    with closing(Ledger(outbox / ".digitbox")) as ledger:
        for entry in entries:
            if isinstance(entry, Heartbeat):
                run_history.write_heartbeat(ledger, entry)
            else:
                run_history.write_run(ledger, entry)
    return check_health((str(outbox),), outbox, NOON.timestamp(), max_age_s).problems


WATCH = run(9, 5, None, command="watch", pid=os.getpid())
