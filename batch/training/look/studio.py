"""What a renderer has at hand: sources of ink, banks of noise and patterns, and chance."""

from __future__ import annotations

from random import Random

import cv2
import numpy as np

from batch.training.look.mixture import Field
from batch.training.look.patterns import BANK_PX, PATTERNS, make_newsprint, make_pattern
from batch.training.look.sources import Sources

SMOOTH_STEPS_PX = (2, 4, 8, 16, 32)  # the grain of each bank of smooth noise
NEWSPRINTS = 8  # banks of newsprint
RENEW_EVERY = 400  # scenes; then the renderer makes one bank of each kind anew


class Studio:
    """The state that all parts of a scene draw from.

    Args:
        sources: What is written.
        seed: Seed of all chance; the same seed gives the same scenes.
    """

    def __init__(self, sources: Sources, seed: int):
        self.sources = sources
        self.random = Random(seed)  # noqa: S311 (no secret)
        self.rng = np.random.default_rng(seed)
        self.noise = self.rng.standard_normal((2, BANK_PX, BANK_PX), dtype=np.float32)
        self.smooth = [self._smooth_noise(step) for step in SMOOTH_STEPS_PX]
        self.patterns = [self._pattern(index) for index in range(PATTERNS)]
        self.news = [make_newsprint(self.random, self.noise[0]) for _ in range(NEWSPRINTS)]
        self.rendered = 0

    def count(self) -> None:
        """Count a scene, and renew a part of the banks from time to time."""
        self.rendered += 1
        if self.rendered % RENEW_EVERY:
            return
        choice = self.rendered // RENEW_EVERY
        self.noise[choice % 2] = self.rng.standard_normal((BANK_PX, BANK_PX), dtype=np.float32)
        step = choice % len(SMOOTH_STEPS_PX)
        self.smooth[step] = self._smooth_noise(SMOOTH_STEPS_PX[step])
        self.patterns[choice % PATTERNS] = self._pattern(choice % PATTERNS)
        self.news[choice % NEWSPRINTS] = make_newsprint(self.random, self.noise[0])

    def crop(self, bank: Field, height: int, width: int) -> Field:
        """Cut a piece out of a bank at a random place."""
        y, x = int(self.random.random() * (BANK_PX - height)), int(self.random.random() * (BANK_PX - width))
        return bank[y : y + height, x : x + width]

    def _smooth_noise(self, step: int) -> Field:
        """Make noise of deviation 1 with a grain of `step` pixels."""
        small = self.rng.standard_normal((BANK_PX // step + 2,) * 2, dtype=np.float32)
        return np.asarray(cv2.resize(small, (BANK_PX, BANK_PX), interpolation=cv2.INTER_CUBIC), np.float32)

    def _pattern(self, index: int) -> Field:
        return make_pattern(index, self.random, self.rng, self.sources.held_out)
