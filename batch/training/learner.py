"""A network in training: its optimiser, its learning rate, and the averages of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

AVERAGE_DELAY = 20  # steps after which the average forgets the first weights


@dataclass(frozen=True)
class Schedule:
    """How a network learns, by the part of the training that is done.

    Attributes:
        peak_rate: Highest learning rate, of AdamW (Loshchilov and Hutter 2019).
        first: The first rate, as a share of the peak.
        warm_up: Part of the training in which the rate rises to the peak.
        hold_until: Part from which it falls along a cosine.
        lowest: The last rate, as a share of the peak.
        weight_decay: Of kernels; biases and norms have none.
        clip_norm: The longest gradient.
        average_decay: Of the averaged weights (Polyak and Juditsky 1992).
    """

    peak_rate: float
    first: float
    warm_up: float
    hold_until: float
    lowest: float
    weight_decay: float
    clip_norm: float
    average_decay: float

    def rate_at(self, part: float) -> float:
        """Return the learning rate for a part of the training from 0 to 1."""
        if part < self.warm_up:
            return self.peak_rate * max(self.first, part / self.warm_up)
        if part < self.hold_until:
            return self.peak_rate
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, (part - self.hold_until) / (1 - self.hold_until))))
        return self.peak_rate * (self.lowest + (1 - self.lowest) * fall)

    def decay_after(self, steps: int) -> float:
        """Return how much of the averaged weights stays in a step, after so many."""
        return min(self.average_decay, (steps + 1) / (steps + 1 + AVERAGE_DELAY))


class Learner:
    """A network in training with its averaged twin.

    Args:
        name: Word for it in the checkpoint.
        model: The Keras model.
        schedule: How it learns.
    """

    def __init__(self, name: str, model: Any, schedule: Schedule) -> None:
        self.name, self.model, self._schedule = name, model, schedule
        self._optimizer = keras.optimizers.AdamW(
            schedule.peak_rate, weight_decay=schedule.weight_decay, global_clipnorm=schedule.clip_norm
        )
        plain = [weight for weight in model.trainable_variables if len(weight.shape) < 2]
        self._optimizer.exclude_from_weight_decay(var_list=plain)
        self._optimizer.build(model.trainable_variables)
        self._averages = [tf.Variable(weight, trainable=False) for weight in model.get_weights()]
        self._decay = tf.Variable(0.0, trainable=False)

    def begin_step(self, steps: int, part: float) -> None:
        """Set the learning rate and the average's decay of a step.

        Args:
            steps: Number of steps before this one.
            part: Part of the training that is done, 0 to 1.
        """
        self._optimizer.learning_rate = self._schedule.rate_at(part)
        self._decay.assign(self._schedule.decay_after(steps))

    def learn(self, tape: Any, loss: Any) -> None:
        """Follow the gradient of a loss; a part of a TensorFlow function.

        Args:
            tape: The `tf.GradientTape` that has recorded the loss.
            loss: The loss.
        """
        weights = self.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        for average, weight in zip(self._averages, self.model.weights, strict=True):
            average.assign(self._decay * average + (1 - self._decay) * weight.value)

    def averaged(self) -> Any:
        """Return a copy of the Keras model with the averaged weights."""
        model = keras.models.clone_model(self.model)
        model.set_weights([average.numpy() for average in self._averages])
        return model

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return all weights and the optimiser's numbers, as arrays by name."""
        groups = {
            "weights": self.model.get_weights(),
            "averages": [average.numpy() for average in self._averages],
            "optimizer": [np.asarray(variable) for variable in self._optimizer.variables],
        }
        return {
            f"{self.name}/{group}/{index}": array
            for group, arrays in groups.items()
            for index, array in enumerate(arrays)
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state.

        Raises:
            KeyError: The state is of another network.
        """
        self.model.set_weights(
            [state[f"{self.name}/weights/{index}"] for index in range(len(self.model.weights))]
        )
        for index, average in enumerate(self._averages):
            average.assign(state[f"{self.name}/averages/{index}"])
        for index, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"{self.name}/optimizer/{index}"])
