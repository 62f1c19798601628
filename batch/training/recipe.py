"""The training of a network with Keras: its optimiser, loss, batches and progress."""

from __future__ import annotations

from collections.abc import Callable
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
        seed: Seed of the order of the examples.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    output: str
    seed: int


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
    batches = _Batches(training, encode, recipe.batch_size, recipe.seed)
    reporter = _Reporter(recipe.epochs, progress)
    try:
        model.fit(
            batches,
            epochs=recipe.epochs,
            verbose=0,
            shuffle=False,
            validation_data=(held_out.digits, encode(held_out.labels)),
            validation_batch_size=1024,
            callbacks=[reporter],
        )
    except KeyboardInterrupt:
        progress(f"stopped in epoch {reporter.finished + 1} of {recipe.epochs}: no model was written")
        raise
    return reporter.history


def _loss(output: str, classes: int) -> tuple[Any, Callable[[npt.NDArray[np.int32]], Any]]:
    """Return the loss on logits, and a function that brings labels to the form that the loss takes."""
    if output == "sigmoid":
        return keras.losses.BinaryCrossentropy(from_logits=True), lambda labels: np.eye(
            classes, dtype=np.float32
        )[labels]
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True), lambda labels: labels


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch, in a new order each time.

    Args:
        examples: The examples.
        encode: Brings labels to the form that the loss takes.
        batch_size: Examples in a batch.
        seed: Seed of the order.
    """

    def __init__(self, examples: Examples, encode: Callable[..., Any], batch_size: int, seed: int) -> None:
        super().__init__()
        self._examples, self._encode, self._batch_size = examples, encode, batch_size
        self._rng = np.random.default_rng(seed)
        self._order = self._rng.permutation(len(self._examples.labels))

    def on_epoch_end(self) -> None:
        self._order = self._rng.permutation(len(self._examples.labels))

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        places = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return self._examples.digits[places], self._encode(self._examples.labels[places])


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]
    """The line of progress of each epoch, and the history of all.

    Attributes:
        finished: Number of epochs that are finished.
        history: See the result of `fit`.
    """

    def __init__(self, epochs: int, progress: Progress) -> None:
        super().__init__()
        self._epochs, self._progress = epochs, progress
        self.finished = 0
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.finished = epoch + 1
        logs = logs or {}
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        self._progress(
            f"epoch {epoch + 1:3d} of {self._epochs}: loss {logs['loss']:.4f}, accuracy "
            f"{logs['accuracy']:.2%}; held out: loss {logs['val_loss']:.4f}, "
            f"accuracy {logs['val_accuracy']:.2%}"
        )
