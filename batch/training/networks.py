"""The teaching notebook's network. Its last layer gives logits, and softmax or sigmoid comes after it."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from batch.inference.decision import DIGITS
from batch.preprocessing.normalise import DIGIT_PX

EPOCHS = 10
BATCH_SIZE = 32
LEARNING_RATE = 1e-3


def mlp() -> Any:
    """Build two hidden layers of 50, 42,310 weights."""
    return keras.Sequential(
        [
            keras.Input((DIGIT_PX, DIGIT_PX, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dense(50, activation="relu"),
            layers.Dense(DIGITS, name="logits"),
        ]
    )
