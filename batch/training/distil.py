"""Distillation: a small network learns to give the probabilities of a large one (Hinton et al. 2015)."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np

from batch.inference import decision
from batch.training import examples
from batch.training.examples import Material
from batch.training.networks import Network, student
from batch.training.progress import Progress

EPOCHS = 24
EPOCHS_PER_RENDERING = 4  # epochs on the same examples; then new ones are rendered
BATCH_SIZE = 256
LEARNING_RATE = 3e-3
FINE_TUNING_RATE_SHARE = 0.3  # of the learning rate, for a student that is trained already
WEIGHT_DECAY = 1e-4


def distil(
    model: Any,
    start: Any | None,
    network: Network,
    material: Material,
    *,
    count: int,
    seed: int,
    progress: Progress,
) -> Any:
    """Train a student on the probabilities that a network gives to examples of its own training.

    Args:
        model: The trained network, with logits as its output.
        start: A student to go on from, for a few epochs; None for a new one.
        network: The network that `model` is one of.
        material: Images to make the examples of.
        count: Examples in an epoch.
        seed: Seed of their rendering and order.
        progress: Receives lines of progress.

    Returns:
        The student, with logits as its output.
    """
    pupil = start or student(model.input_shape[1:], model.output_shape[-1])
    epochs = EPOCHS_PER_RENDERING if start else EPOCHS
    steps = epochs * -(-count // BATCH_SIZE)
    rate = LEARNING_RATE * (FINE_TUNING_RATE_SHARE if start else 1.0)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    pupil.compile(keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY), loss)
    renderings = examples.epochs(
        material,
        network.preprocess,
        epochs=epochs // EPOCHS_PER_RENDERING,
        count=count,
        seed=seed + 1,  # the large network has learnt the examples of its own seed by heart
        workers=os.cpu_count() or 1,
    )
    try:
        for number, rendering in enumerate(renderings, 1):
            logits = model.predict(rendering.digits, batch_size=1024, verbose=0)
            targets = decision.probabilities(logits, "softmax", 1.0).astype(np.float32)
            history = pupil.fit(
                rendering.digits, targets, batch_size=BATCH_SIZE, epochs=EPOCHS_PER_RENDERING, verbose=0
            )
            progress(
                f"student, epoch {number * EPOCHS_PER_RENDERING:3d} of {epochs}: "
                f"loss {history.history['loss'][-1]:.4f}"
            )
    finally:
        renderings.close()
    return pupil
