"""The split of all images into those to train on and those held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from batch.errors import ConfigError
from batch.text import count
from batch.training.data import own_scans
from batch.training.data.datasets import NOT_A_DIGIT, Dataset, Labelled, concatenate
from batch.training.data.own_scans import OwnScan
from batch.training.progress import Progress

HELD_OUT_FRACTION = 1 / 12  # of the training images, for the temperature and the thresholds
# It does not follow --seed. A model that goes on from another must not have seen what is held out.
SPLIT_SEED = 1


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images to train on, and images held out.

    Attributes:
        training: Images of the data sets to train on.
        held_out: Images of the data sets that the training never sees.
        own_training: Own scans to train on.
        own_held_out: Own scans that the training never sees.
    """

    training: Labelled
    held_out: Labelled
    own_training: Sequence[OwnScan]
    own_held_out: Sequence[OwnScan]


def split(data: Sequence[Dataset], own: Sequence[OwnScan], progress: Progress) -> Split:
    """Hold out a part of the training images of each data set, and of the own scans.

    Args:
        data: Data sets; only the digits among their training images are used.
        own: The user's labelled scans; those of what is no digit are not used.
        progress: Receives a line for the digits and one for the own scans.

    Raises:
        ConfigError: If the data sets hold no digits, or a single one, which is held out.
    """
    sets = [part.train for part in data]
    digits = [part.take(part.are_digits) for part in sets if part.are_digits.any()]
    digit_splits = [_hold_out(part) for part in digits]
    training_parts = [part for _, part in digit_splits if len(part)]
    if not training_parts:
        raise ConfigError("the data sets hold no digits to train on: give --data mnist as well")
    held_out = concatenate([part for part, _ in digit_splits])
    progress(f"{sum(map(len, training_parts))} digits to train on, {len(held_out)} held out")
    training = concatenate(_balance(training_parts))
    own_held_out, own_training = own_scans.split([scan for scan in own if scan[1] != NOT_A_DIGIT])
    if own:
        progress(f"{count(len(own_training), 'own scan')} to train on, {len(own_held_out)} held out")
    return Split(training, held_out, own_training, own_held_out)


def _hold_out(images: Labelled) -> tuple[Labelled, Labelled]:
    """Return the images that are held out, at least one, and the others; of a data set, always the same."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    size = max(1, round(len(images) * HELD_OUT_FRACTION))
    return images.take(order[:size]), images.take(order[size:])


def _balance(sets: Sequence[Labelled]) -> list[Labelled]:
    """Repeat the smaller sets, so that each counts in proportion to the square root of its size."""
    largest = max(len(part) for part in sets)
    return [part.take(np.tile(np.arange(len(part)), round((largest / len(part)) ** 0.5))) for part in sets]
