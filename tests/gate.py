"""A scan that waits in its worker until a test lets it through: a run stands still in its middle."""

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import misbehaving
from waiting import wait_for


class Gate:
    """The scan, and the two pipes beside it.

    Args:
        folder: The folder of the scans; the run must read it with `misbehaving`.
        scan: The scan that is copied; the gate comes right after it.
    """

    def __init__(self, folder: Path, scan: str) -> None:
        self._folder = folder
        self._path = shutil.copy(folder / scan, folder / f"{Path(scan).stem}-gate.png")
        for name in (misbehaving.ASKS, misbehaving.ANSWERS):
            os.mkfifo(folder / name)
        self._asks = os.open(folder / misbehaving.ASKS, os.O_RDWR)

    def wait(self, run: subprocess.Popen[str]) -> int:
        """Wait until the scan is being read; return the parent process of the one that reads it."""
        wait_for(lambda: has_come(self._asks) or run.poll() is not None)
        assert has_come(self._asks), f"the run ended with {run.returncode}:\n{''.join(run.communicate())}"
        return int(os.read(self._asks, 100))

    def open(self) -> None:
        """Let the scan through, and every later one."""
        (self._folder / misbehaving.OPEN).touch()
        with suppress(OSError):  # the one that waited is gone
            answers = os.open(self._folder / misbehaving.ANSWERS, os.O_WRONLY | os.O_NONBLOCK)
            os.write(answers, b"go")
            os.close(answers)

    def remove(self) -> None:
        os.unlink(self._path)

    def close(self) -> None:
        os.close(self._asks)


@contextmanager
def gate_after(scan: Path) -> Iterator[Gate]:
    """Put a gate after a scan; at the end, let everybody through."""
    gate = Gate(scan.parent, scan.name)
    try:
        yield gate
    finally:
        gate.open()
        gate.close()


def has_come(descriptor: int) -> bool:
    """Tell whether there is something to read, or, of a process, whether it has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
