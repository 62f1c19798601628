"""Processes that the ledger names: whether each still goes on, or another one has its number by now."""

from __future__ import annotations

import os
import time
from pathlib import Path

SLACK_S = 10.0  # times in the ledger are whole seconds, and clocks are corrected a little


def is_alive(pid: int, seen_at: float, lock: Path) -> bool:
    """Return whether this machine still has a process.

    After a restart of the machine or the container, another process may have the number.

    Args:
        pid: The number of the process.
        seen_at: When it was there, seconds since 1970.
        lock: The lock that it holds.
    """
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    began_at = _began_at(pid)
    # Somebody may have set the clock since. Then the lock tells.
    return began_at is None or began_at <= seen_at + SLACK_S or _holds(pid, lock)


def _began_at(pid: int) -> float | None:
    """Return when a process began, seconds since 1970 by the clock of today; None if unknown."""
    try:
        # The name of the program, in brackets, may have spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        began_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # since the machine was started
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + began_s
    except (OSError, AttributeError, IndexError, ValueError):
        return None


def _holds(pid: int, lock: Path) -> bool:
    """Return whether a process holds the lock of a file, as far as Linux tells."""
    try:
        inode = os.stat(lock).st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    return any(
        line.split()[1:2] == ["FLOCK"] and f" {pid} " in line and f":{inode} " in line for line in lines
    )
