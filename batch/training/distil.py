"""Distillation: a small network learns to say what the large one says (Hinton et al. 2015)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from batch.inference import decision
from batch.training import examples
from batch.training.examples import Material
from batch.training.networks import Network, student

EPOCHS = 24
EPOCHS_PER_RENDERING = 4
BATCH_SIZE = 256
LEARNING_RATE = 3e-3

Say = Callable[[str], None]


def distil(
    model: Any, start: Any | None, network: Network, material: Material, *, count: int, seed: int, say: Say
) -> Any:
    """Trains a student on the probabilities that a network gives to the examples it was trained on itself.

    Args:
        model: the trained network, with logits.
        start: a student to go on from, for a few epochs; None for a new one.
        network: what `model` is one of.
        material: what the examples are made of.
        count: examples an epoch.
        seed: of their rendering and order.
        say: receives lines of progress.

    Returns:
        The student, with logits.
    """
    pupil = start or student(model.input_shape[1:], model.output_shape[-1])
    epochs = EPOCHS_PER_RENDERING if start else EPOCHS
    steps = epochs * -(-count // BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE * (0.3 if start else 1.0), steps)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    pupil.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4), loss)
    rounds = examples.epochs(
        material,
        network.preprocess,
        epochs=epochs // EPOCHS_PER_RENDERING,
        count=count,
        seed=seed + 1,  # not the examples that the large network has learnt by heart
        workers=os.cpu_count() or 1,
    )
    try:
        for number, part in enumerate(rounds, 1):
            logits = model.predict(part.digits, batch_size=1024, verbose=0)
            wanted = decision.probabilities(logits, "softmax", 1.0).astype(np.float32)
            history = pupil.fit(
                part.digits, wanted, batch_size=BATCH_SIZE, epochs=EPOCHS_PER_RENDERING, verbose=0
            )
            say(
                f"student, epoch {number * EPOCHS_PER_RENDERING:3d} of {epochs}: "
                f"loss {history.history['loss'][-1]:.4f}"
            )
    finally:
        rounds.close()
    return pupil
