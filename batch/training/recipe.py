"""The training of a network with Keras: its optimiser, loss, batches and progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from batch.training import examples
from batch.training.examples import Examples, Material
from batch.training.networks import Network
from batch.training.progress import Progress

EMA_MOMENTUM = 0.999  # of the moving average of the weights; it reaches over a thousand steps
WEIGHT_DECAY = 1e-4
# The learning rate rises for half an epoch from the first share of its peak, and falls to the last one.
FIRST_RATE_SHARE = 0.02
LAST_RATE_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training.

    Attributes:
        epochs: Number of epochs.
        examples_per_epoch: Examples in an epoch.
        batch_size: Examples in a step.
        learning_rate: The highest learning rate.
        output: `softmax` or `sigmoid`; it decides the loss.
        seed: Seed of the examples and of their order.
    """

    epochs: int
    examples_per_epoch: int
    batch_size: int
    learning_rate: float
    output: str
    seed: int


def fit(
    model: Any,
    network: Network,
    recipe: Recipe,
    material: Material,
    held_out: Examples,
    progress: Progress,
) -> dict[str, list[float]]:
    """Train a model.

    Args:
        model: The Keras model to train, with logits as its output.
        network: The network that it is one of.
        recipe: How to train it.
        material: Images to make the examples of.
        held_out: Examples to measure it on after each epoch.
        progress: Receives a line for each epoch.

    Returns:
        Loss and accuracy of each epoch by name; names that begin with `val_` are of the held-out examples.
    """
    steps = -(-recipe.examples_per_epoch // recipe.batch_size)
    if network.rendered:
        schedule = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate * FIRST_RATE_SHARE,
            max(1, recipe.epochs * steps - steps // 2),
            alpha=LAST_RATE_SHARE,
            warmup_target=recipe.learning_rate,
            warmup_steps=steps // 2,
        )
        optimiser = keras.optimizers.AdamW(
            schedule, weight_decay=WEIGHT_DECAY, use_ema=True, ema_momentum=EMA_MOMENTUM
        )
        callbacks = [keras.callbacks.SwapEMAWeights()]  # Keras validates and keeps the averaged weights
        epochs = examples.epochs(
            material,
            network.preprocess,
            epochs=recipe.epochs,
            count=recipe.examples_per_epoch,
            seed=recipe.seed,
            workers=os.cpu_count() or 1,
        )
    else:
        optimiser, callbacks = keras.optimizers.Adam(recipe.learning_rate), []
        epochs = _one_epoch(examples.plain(material, network.preprocess))
    loss, encode = _loss(recipe.output, model.output_shape[-1])
    model.compile(optimiser, loss, metrics=["accuracy"])
    batches = _Batches(epochs, encode, recipe.batch_size, recipe.seed)
    reporter = _Reporter(recipe.epochs, progress)
    try:
        model.fit(
            batches,
            epochs=recipe.epochs,
            verbose=0,
            shuffle=False,
            validation_data=(held_out.digits, encode(held_out.labels)),
            validation_batch_size=1024,
            callbacks=[*callbacks, reporter],
        )
    except KeyboardInterrupt:
        progress(f"stopped in epoch {reporter.finished + 1} of {recipe.epochs}: no model was written")
        raise
    finally:
        epochs.close()
    return reporter.history


def _loss(output: str, classes: int) -> tuple[Any, Callable[[npt.NDArray[np.int32]], Any]]:
    """Return the loss on logits, and a function that brings labels to the form that the loss takes."""
    if output == "sigmoid":
        return keras.losses.BinaryCrossentropy(from_logits=True), lambda labels: np.eye(
            classes, dtype=np.float32
        )[labels]
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True), lambda labels: labels


def _one_epoch(epoch: Examples) -> Generator[Examples]:
    yield epoch


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch, in a new order each time.

    Args:
        epochs: Yields the examples of each epoch. When it ends, the last ones serve again.
        encode: Brings labels to the form that the loss takes.
        batch_size: Examples in a batch.
        seed: Seed of the order.
    """

    def __init__(
        self, epochs: Generator[Examples], encode: Callable[..., Any], batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self._epochs, self._encode, self._batch_size = epochs, encode, batch_size
        self._rng = np.random.default_rng(seed)
        self._examples = next(epochs)
        self._order = self._rng.permutation(len(self._examples.labels))

    def on_epoch_end(self) -> None:
        self._examples = next(self._epochs, self._examples)
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
