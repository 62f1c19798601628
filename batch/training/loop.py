"""The loop of a training that survives a kill: steps, checkpoints, and lines of progress."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from batch.storage import durable
from batch.training import work_folder
from batch.training.farm import Farm
from batch.training.learner import Learner
from batch.training.progress import Progress

CHECKPOINT_FILE = "checkpoint.npz"
REPORT_SECONDS = 15.0  # between two lines of progress


class Loop(ABC):
    """The steps of a training, and the checkpoint from which it goes on.

    Args:
        folder: Folder of the training.
        learners: The networks in training.
        total: Examples that the networks see, all steps together.
        unit: Word for several examples.
        checkpoint_seconds: Time between two checkpoints.
        say: Gets lines of progress.

    Attributes:
        steps: Steps taken.
        starts: How many times the training was started.
        seen: Examples that the networks have seen.
        rendered: Examples that were rendered; one may be seen several times.
    """

    def __init__(
        self,
        folder: Path,
        learners: Sequence[Learner],
        total: int,
        unit: str,
        checkpoint_seconds: float,
        say: Progress,
    ) -> None:
        self.folder, self.learners, self.total = folder, learners, total
        self.steps, self.starts, self.seen, self.rendered = 0, 0, 0, 0
        self._unit, self._checkpoint_seconds, self._say = unit, checkpoint_seconds, say
        self._checkpoint = folder / CHECKPOINT_FILE
        if self._checkpoint.exists():
            state = work_folder.load(self._checkpoint)
            self.steps, self.starts, self.seen, self.rendered = state["progress"].tolist()
            for learner in learners:
                learner.restore(state)
            say(f"going on after {self.seen} {unit}")

    @property
    def part(self) -> float:
        """The part of the training that is done, 0 to 1."""
        return min(1.0, self.seen / self.total)

    @abstractmethod
    def open_farm(self) -> Farm:
        """Start the processes that render."""

    @abstractmethod
    def fill(self, farm: Farm) -> None:
        """Render what the first step needs."""

    @abstractmethod
    def take_step(self, farm: Farm) -> float:
        """Render more, let the networks learn from a batch, count it as seen, and return the loss."""

    def go_on(self) -> None:
        """Take the steps that are missing.

        Raises:
            RuntimeError: A process that renders has ended.
        """
        if self.part >= 1:
            return
        self.starts += 1
        self._save()  # a start that is killed early still has used up its examples
        farm = self.open_farm()
        try:
            self.fill(farm)
            self._take_steps(farm)
        finally:
            farm.close()
        self._save()

    def _take_steps(self, farm: Farm) -> None:
        saved = reported = time.monotonic()
        losses: list[float] = []
        while self.part < 1:
            losses.append(self.take_step(farm))
            self.steps += 1
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS or self.part >= 1:
                reported = now
                self._report(float(np.mean(losses)))
                losses.clear()
            if now - saved >= self._checkpoint_seconds:
                self._save()
                saved = time.monotonic()

    def _report(self, loss: float) -> None:
        line = {"seen": self.seen, "rendered": self.rendered, "start": self.starts, "loss": round(loss, 4)}
        work_folder.note(self.folder, line)
        self._say(f"{self.seen} of {self.total} {self._unit}, loss {loss:.3f}")

    def _save(self) -> None:
        state = {"progress": np.array([self.steps, self.starts, self.seen, self.rendered], np.int64)}
        for learner in self.learners:
            state |= learner.state()
        durable.replace(self._checkpoint, work_folder.npz_bytes(state))
