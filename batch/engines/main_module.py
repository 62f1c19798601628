"""The main module of a program around digitbox, which new worker processes must not run again."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# A fork waits for the end of a turn: its child would have the lock and the wrong main module for good.
_turn = threading.RLock()
os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


class _Hidden(ModuleType):
    """A main module as other threads know it, but without the file and the name to run it again from."""

    def __init__(self, main: ModuleType) -> None:
        super().__init__(main.__name__)  # with __spec__ None
        self._main = main

    def __getattr__(self, name: str) -> Any:
        if name == "__file__":
            raise AttributeError(name)
        return getattr(self._main, name)


@contextmanager
def hidden() -> Iterator[None]:
    """Hide the main module from `multiprocessing`, which would run it again in a new Python.

    A worker needs nothing of it. A program without `if __name__ == "__main__":` would do its work twice.
    """
    with _turn:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = _Hidden(main)
        try:
            yield
        finally:
            sys.modules["__main__"] = main
