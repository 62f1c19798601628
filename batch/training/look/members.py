"""A look in training, and the step that it takes."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from batch.training.learner import Learner, Schedule
from batch.training.look.networks import NETWORKS, build

SCHEDULE = Schedule(
    peak_rate=0.0,  # each network has its own
    first=0.02,
    warm_up=0.03,
    hold_until=0.45,
    lowest=0.002,
    weight_decay=0.02,
    clip_norm=2.0,
    average_decay=0.9985,
)
DISTIL_WEIGHT, DISTIL_TEMPERATURE = 0.7, 2.0  # of the teacher's logits (Hinton et al. 2015)
BOX_WEIGHT = 2.0  # of the loss of the place beside that of the label
BOX_DELTA = 0.05  # of the picture's side; further off, the loss grows linearly (Huber 1964)


class Member(Learner):
    """A look in training.

    Args:
        name: A key of `networks.NETWORKS`.
    """

    def __init__(self, name: str) -> None:
        self.network = NETWORKS[name]
        schedule = dataclasses.replace(SCHEDULE, peak_rate=self.network.peak_rate)
        super().__init__(name, build(self.network), schedule)
        self._step = tf.function(self._take_step, reduce_retracing=True)

    def step(self, pictures: Any, labels: Any, boxes: Any, soft: Any, steps: int, part: float) -> Any:
        """Take one step.

        Args:
            pictures: As a network sees them, (n, 64, 64, 1).
            labels: Labels, (n,).
            boxes: Boxes, (n, 4), NaN where there is none.
            soft: Logits of the teacher, (n, 12); None for no teacher.
            steps: Number of steps before this one.
            part: Part of the training that is done, 0 to 1.

        Returns:
            Logits, (n, 12), and the loss.
        """
        self.begin_step(steps, part)
        return self._step(pictures, labels, boxes, soft)

    def _take_step(self, pictures: Any, labels: Any, boxes: Any, soft: Any) -> Any:
        with tf.GradientTape() as tape:
            out = self.model(pictures, training=True)
            loss = _loss(out["logits"], out["place"], labels, boxes, soft)
        self.learn(tape, loss)
        return out["logits"], loss


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
