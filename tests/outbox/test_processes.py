"""Processes of runs that go on, ended, or gave their number to another process."""

import os
import time
from pathlib import Path

import pytest

from batch.clock import iso, utc_now
from batch.outbox import processes, run_history
from batch.outbox.turns import Role, hold_outbox, lock_of
from batch.records import RunSummary

NOBODY = 2**31 - 1  # no process has that number
YEAR_S = 365 * 86_400


def test_a_process_goes_on_or_is_gone(tmp_path: Path) -> None:
    assert processes.is_alive(os.getpid(), time.time(), tmp_path / "lock")
    assert processes.is_alive(1, time.time(), tmp_path / "lock")
    assert not processes.is_alive(NOBODY, time.time(), tmp_path / "lock")


def test_a_process_that_began_later_is_another_one(tmp_path: Path) -> None:
    assert not processes.is_alive(os.getpid(), time.time() - YEAR_S, tmp_path / "lock")


@pytest.mark.parametrize("role", list(Role))
def test_a_clock_that_was_set_ends_no_process(tmp_path: Path, role: Role) -> None:
    """Its lock shows that it is the one."""
    with hold_outbox(tmp_path, role, busy=""):
        assert processes.is_alive(os.getpid(), time.time() - YEAR_S, lock_of(tmp_path))
    assert not processes.is_alive(os.getpid(), time.time() - YEAR_S, lock_of(tmp_path))


def test_without_a_time_the_number_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert processes.is_alive(os.getpid(), time.time() - YEAR_S, tmp_path / "lock")


def test_an_entry_of_another_process_is_of_a_killed_run(tmp_path: Path) -> None:
    run = RunSummary(run="a", command="run", pid=os.getpid(), started_at="2025-01-31T02:00:00Z")
    assert not run_history.is_running(run, tmp_path)
    run = RunSummary(run="a", command="run", pid=os.getpid(), started_at=iso(utc_now()))
    assert run_history.is_running(run, tmp_path)
