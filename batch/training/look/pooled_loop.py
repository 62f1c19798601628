"""The loop of a training of looks: worker processes render, and each step draws from the latest examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from batch.training.farm import Farm, Render
from batch.training.learner import Learner
from batch.training.look.pool import Pool, Records
from batch.training.loop import Loop
from batch.training.progress import Progress

FIRST_BATCHES = 8  # that the pool holds before the first step


@dataclass(frozen=True)
class PooledOptions:
    """What makes a training what it is; one that goes on has the same.

    Attributes:
        batch: Pictures in a step.
        fresh: Examples rendered for each picture seen.
        workers: Processes that render.
        scenes: Held-out scenes for the model's weights and thresholds.
        seed: Seed of weights, scenes and order.
        checkpoint_seconds: Time between two checkpoints.
    """

    batch: int
    fresh: float
    workers: int
    scenes: int
    seed: int
    checkpoint_seconds: float


class PooledLoop(Loop):
    """The steps of a training whose examples are pictures of one type.

    Args:
        folder: Folder of the training.
        learners: The networks in training.
        total: Pictures that the networks see, all steps together.
        unit: Word for several pictures.
        options: Options of the training.
        sources: File of the packed data sets.
        render: What a worker renders.
        record: Type of an example.
        say: Gets lines of progress.
    """

    def __init__(
        self,
        folder: Path,
        learners: Sequence[Learner],
        total: int,
        unit: str,
        options: PooledOptions,
        sources: Path,
        render: Render,
        record: np.dtype[Any],
        say: Progress,
    ) -> None:
        super().__init__(folder, learners, total, unit, options.checkpoint_seconds, say)
        self._options, self._sources, self._render = options, sources, render
        self._record, self._pool = record, Pool(record)

    def open_farm(self) -> Farm:
        """Start the processes that render; see `Loop`."""
        options = self._options
        chunk = max(1, round(options.batch * options.fresh))
        return Farm(self._render, self._sources, options.seed, self.starts, options.workers, chunk)

    def fill(self, farm: Farm) -> None:
        """Render what the first step needs; see `Loop`."""
        while len(self._pool) < FIRST_BATCHES * self._options.batch:
            self._add(farm)

    def draw(self, farm: Farm) -> Records:
        """Render more, and draw the batch of a step."""
        self._add(farm)
        rng = np.random.default_rng((self._options.seed, self.starts, self.steps))
        return self._pool.draw(self._options.batch, rng)

    def _add(self, farm: Farm) -> None:
        examples = np.frombuffer(farm.receive(), self._record)
        self._pool.add(examples)
        self.rendered += len(examples)
