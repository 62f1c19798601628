"""The one way to wait in tests: for a fact. `conftest.py` ends a test whose fact never comes."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.01
Value = TypeVar("Value")


def wait_for(fact: Callable[[], Value | None]) -> Value:
    """Return what `fact` returns, as soon as that is true."""
    while not (value := fact()):
        time.sleep(POLL_S)
    return value
