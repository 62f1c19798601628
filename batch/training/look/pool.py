"""The latest scenes of a training, from which each step draws its batch."""

from __future__ import annotations

import numpy as np

from batch.training.look.records import RECORD, Records

CAPACITY = 100_000  # scenes; they take 411 MB


class Pool:
    """A ring of scenes; new ones take the place of the oldest.

    Args:
        capacity: Scenes that the pool holds at most.
    """

    def __init__(self, capacity: int = CAPACITY):
        self._records = np.zeros(capacity, RECORD)
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, len(self._records))

    def add(self, records: Records) -> None:
        """Add scenes."""
        self._records[(self.added + np.arange(len(records))) % len(self._records)] = records
        self.added += len(records)

    def draw(self, count: int, rng: np.random.Generator) -> Records:
        """Draw scenes, newer ones more often, so that the network sees all about as often in the end."""
        age = (np.sqrt(rng.random(count)) * len(self)).astype(np.int64)  # 0 is the oldest
        return self._records[(self.added - len(self) + age) % len(self._records)]
