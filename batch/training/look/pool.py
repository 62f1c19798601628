"""The latest examples of a training of looks, from which each step draws its batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

CAPACITY = 100_000  # examples; those of one picture take 411 MB

Records = npt.NDArray[Any]


class Pool:
    """A ring of examples; new ones take the place of the oldest.

    Args:
        record: Type of an example.
        capacity: Examples that the pool holds at most.
    """

    def __init__(self, record: np.dtype[Any], capacity: int = CAPACITY):
        self._records = np.zeros(capacity, record)
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, len(self._records))

    def add(self, records: Records) -> None:
        """Add examples."""
        self._records[(self.added + np.arange(len(records))) % len(self._records)] = records
        self.added += len(records)

    def draw(self, count: int, rng: np.random.Generator) -> Records:
        """Draw examples, newer ones more often, so that the network sees all about as often in the end."""
        age = (np.sqrt(rng.random(count)) * len(self)).astype(np.int64)  # 0 is the oldest
        return self._records[(self.added - len(self) + age) % len(self._records)]
