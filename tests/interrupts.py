"""Ctrl-C for tests, at any call."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType


def descriptors() -> dict[str, str]:
    """Return what each open descriptor of this process leads to."""
    folder = Path("/proc/self/fd")
    return {link.name: os.readlink(link) for link in folder.iterdir() if link.is_symlink()}


def interruptions(work: Callable[[], object], *modules: ModuleType) -> Iterator[None]:
    """Do work again and again, with Ctrl-C after one call more each time; yield after each Ctrl-C.

    Args:
        work: What to interrupt.
        modules: Where Ctrl-C comes, with `contextlib`.
    """
    files = {module.__file__ for module in (contextlib, *modules)}
    calls = 0
    while _is_interrupted(work, calls, files):
        yield
        calls += 1


def _is_interrupted(work: Callable[[], object], calls: int, files: set[str | None]) -> bool:
    """Do work with Ctrl-C after `calls` calls; return whether there were as many.

    Python raises `KeyboardInterrupt` when a function of C has returned, as the profiler's event does.
    """

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        if event == "c_return" and frame.f_code.co_filename in files:
            calls -= 1
            if calls < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False
