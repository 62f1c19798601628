"""A network in training with its averaged twin, and the step that both take."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from batch.training.look.networks import NETWORKS, build

WEIGHT_DECAY = 0.02  # of kernels; biases and norms have none
CLIP_NORM = 2.0  # the longest gradient
WARM_UP, HOLD_UNTIL = 0.03, 0.45  # parts of the training; then the rate falls along a cosine
LOWEST_RATE = 0.002  # of the peak rate
AVERAGE_DECAY, AVERAGE_DELAY = 0.9985, 20  # of the averaged weights (Polyak and Juditsky 1992)
DISTIL_WEIGHT, DISTIL_TEMPERATURE = 0.7, 2.0  # of the teacher's logits (Hinton et al. 2015)
BOX_WEIGHT = 2.0  # of the loss of the place beside that of the label
BOX_DELTA = 0.05  # of the picture's side; further off, the loss grows linearly (Huber 1964)


def rate_at(part: float) -> float:
    """Return the learning rate as a share of the peak rate.

    Args:
        part: Part of the training that is done, 0 to 1.
    """
    if part < WARM_UP:
        return max(0.02, part / WARM_UP)
    if part < HOLD_UNTIL:
        return 1.0
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, (part - HOLD_UNTIL) / (1 - HOLD_UNTIL))))
    return LOWEST_RATE + (1 - LOWEST_RATE) * fall


class Member:
    """A network in training.

    Args:
        name: A key of `networks.NETWORKS`.

    Attributes:
        model: Keras model in training.
    """

    def __init__(self, name: str):
        self.name = name
        self.network = NETWORKS[name]
        self.model = build(self.network)
        self._optimizer = keras.optimizers.AdamW(
            self.network.peak_rate, weight_decay=WEIGHT_DECAY, global_clipnorm=CLIP_NORM
        )
        plain = [weight for weight in self.model.trainable_variables if len(weight.shape) < 2]
        self._optimizer.exclude_from_weight_decay(var_list=plain)
        self._optimizer.build(self.model.trainable_variables)
        self._averages = [tf.Variable(weight, trainable=False) for weight in self.model.get_weights()]
        self._step = tf.function(self._take_step, reduce_retracing=True)

    def step(self, pictures: Any, labels: Any, boxes: Any, soft: Any, step: int, part: float) -> Any:
        """Take one step.

        Args:
            pictures: As a network sees them, (n, 64, 64, 1).
            labels: Labels, (n,).
            boxes: Boxes, (n, 4), NaN where there is none.
            soft: Logits of the teacher, (n, 12); None for no teacher.
            step: Number of steps before this one.
            part: Part of the training that is done, 0 to 1.

        Returns:
            Logits, (n, 12), and the loss.
        """
        self._optimizer.learning_rate = self.network.peak_rate * rate_at(part)
        decay = min(AVERAGE_DECAY, (step + 1) / (step + 1 + AVERAGE_DELAY))
        return self._step(pictures, labels, boxes, soft, tf.constant(decay, tf.float32))

    def _take_step(self, pictures: Any, labels: Any, boxes: Any, soft: Any, decay: Any) -> Any:
        with tf.GradientTape() as tape:
            out = self.model(pictures, training=True)
            loss = _loss(out["logits"], out["place"], labels, boxes, soft)
        weights = self.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        for average, weight in zip(self._averages, self.model.weights, strict=True):
            average.assign(decay * average + (1 - decay) * weight.value)
        return out["logits"], loss

    def averaged(self) -> Any:
        """Return a Keras model with the averaged weights."""
        model = build(self.network)
        model.set_weights([average.numpy() for average in self._averages])
        return model

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return all weights and the optimizer's numbers, as arrays by name."""
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

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
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


def _loss(logits: Any, place: Any, labels: Any, boxes: Any, soft: Any) -> Any:
    """Return the loss of labels, of the teacher's logits if there are any, and of the place of the digits."""
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    if soft is not None:
        target = tf.nn.log_softmax(soft / DISTIL_TEMPERATURE)
        difference = target - tf.nn.log_softmax(logits / DISTIL_TEMPERATURE)
        divergence = tf.reduce_mean(tf.reduce_sum(tf.exp(target) * difference, 1))
        loss = (1 - DISTIL_WEIGHT) * loss + DISTIL_WEIGHT * DISTIL_TEMPERATURE**2 * divergence
    known = tf.logical_not(tf.math.is_nan(boxes[:, 0]))
    distance = tf.abs(place - tf.where(known[:, None], boxes, 0.0))
    huber = tf.where(distance < BOX_DELTA, 0.5 * distance**2 / BOX_DELTA, distance - BOX_DELTA / 2)
    counted = tf.cast(known, tf.float32)
    return loss + BOX_WEIGHT * tf.reduce_sum(tf.reduce_sum(huber, 1) * counted) / tf.maximum(
        tf.reduce_sum(counted), 1.0
    )
