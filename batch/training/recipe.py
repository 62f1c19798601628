"""The training of a network with Keras: its optimiser, loss and progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from batch.training.examples import Examples
from batch.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training.

    Attributes:
        epochs: Number of epochs.
        batch_size: Examples in a step.
        learning_rate: The learning rate.
        output: `softmax` or `sigmoid`; it decides the loss.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    output: str


def fit(
    model: Any, recipe: Recipe, training: Examples, held_out: Examples, progress: Progress
) -> dict[str, list[float]]:
    """Train a model.

    Args:
        model: The Keras model to train, with logits as its output.
        recipe: How to train it.
        training: Examples to train it on.
        held_out: Examples to measure it on after each epoch.
        progress: Receives a line for each epoch.

    Returns:
        Loss and accuracy of each epoch by name; names that begin with `val_` are of the held-out examples.
    """
    loss, encode = _loss(recipe.output, model.output_shape[-1])
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss, metrics=["accuracy"])
    finished = 0

    def report(epoch: int, logs: Mapping[str, float]) -> None:
        nonlocal finished
        finished = epoch + 1
        progress(
            f"epoch {finished:3d} of {recipe.epochs}: loss {logs['loss']:.4f}, accuracy "
            f"{logs['accuracy']:.2%}; held out: loss {logs['val_loss']:.4f}, "
            f"accuracy {logs['val_accuracy']:.2%}"
        )

    try:
        fitted = model.fit(
            training.digits,
            encode(training.labels),
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            verbose=0,
            validation_data=(held_out.digits, encode(held_out.labels)),
            validation_batch_size=1024,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)],
        )
    except KeyboardInterrupt:
        progress(f"stopped in epoch {finished + 1} of {recipe.epochs}: no model was written")
        raise
    history: dict[str, list[float]] = fitted.history
    return history


def _loss(output: str, classes: int) -> tuple[Any, Callable[[npt.NDArray[np.int32]], Any]]:
    """Return the loss on logits, and a function that brings labels to the form that the loss takes."""
    if output == "sigmoid":
        return keras.losses.BinaryCrossentropy(from_logits=True), lambda labels: np.eye(
            classes, dtype=np.float32
        )[labels]
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True), lambda labels: labels
