"""Processes of another user, for tests that root runs."""

from __future__ import annotations

import multiprocessing.popen_fork  # noqa: F401  - the other user may not be allowed to read it
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

OTHER_ID = 65534  # nobody, on every system
needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can be another user"
)


def become_another() -> None:
    """Make this process one of another user, for good, without any right of root."""
    os.setgroups([])
    os.setgid(OTHER_ID)
    os.setuid(OTHER_ID)


def as_another(work: Callable[[], None]) -> None:
    """Do work in a process of another user; fail if it fails."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            become_another()
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def open_to_all(*folders: Path) -> None:
    """Let every user write to folders, and search those above them."""
    for folder in folders:
        folder.chmod(0o777)
        for above in folder.parents:
            if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o711)
