"""Variations of pictures in a batch, made by TensorFlow: affine changes, contrast, blur and noise."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from batch.inference.look_networks import KERAS_UNIT
from batch.preprocessing.look import LOOK, SIDE_PX

# Set by hand, to about half of what scenes differ by themselves.
TURNED_FRACTION = 0.66  # pictures that get an affine change
TURN, SHEAR, SCALE, SHIFT = 0.07, 0.06, 0.07, 0.045  # deviations; the shift is in half sides
GAIN_FRACTION, MIN_GAIN, MAX_GAIN = 0.5, 0.7, 1.2
BLUR_FRACTION = 0.15
NOISE_FRACTION, MAX_NOISE = 0.3, 0.08  # of KERAS_UNIT levels
LOWEST, HIGHEST = -LOOK.ground / KERAS_UNIT, (255 - LOOK.ground) / KERAS_UNIT


def augment(pictures: Any, boxes: Any, seed: Any) -> tuple[Any, Any]:
    """Vary pictures, and move their boxes with them.

    Args:
        pictures: As a network sees them, (n, 64, 64, 1).
        boxes: Boxes, (n, 4), see `records.RECORD`.
        seed: Two integers; the same ones vary alike.

    Returns:
        Pictures and boxes of the same shapes.
    """
    count = tf.shape(pictures)[0]
    seeds = tf.random.experimental.stateless_split(seed, 12)
    turned = tf.cast(tf.random.stateless_uniform([count], seeds[0]) < TURNED_FRACTION, tf.float32)

    def normal(index: int, deviation: float) -> Any:
        return tf.random.stateless_normal([count], seeds[index]) * deviation * turned

    turn, shear = normal(1, TURN), normal(2, SHEAR)
    scale_x, scale_y = tf.exp(normal(3, SCALE)), tf.exp(normal(4, SCALE))
    shift_x, shift_y = normal(5, SHIFT), normal(6, SHIFT)
    # The matrix leads from a place in the new picture to one in the old, both from the middle.
    a, b = tf.cos(turn) / scale_x, (shear - tf.sin(turn)) / scale_y
    c, d = tf.sin(turn) / scale_x, tf.cos(turn) / scale_y
    middle, half = (SIDE_PX - 1) / 2, SIDE_PX / 2
    right = middle + shift_x * half - (a + b) * middle
    down = middle + shift_y * half - (c + d) * middle
    zeros = tf.zeros_like(a)
    x = tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=tf.stack([a, b, right, c, d, down, zeros, zeros], 1),
        output_shape=(SIDE_PX, SIDE_PX),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    old_x, old_y = boxes[:, 0] * 2 - 1 - shift_x, boxes[:, 1] * 2 - 1 - shift_y
    determinant = a * d - b * c
    new_x, new_y = (d * old_x - b * old_y) / determinant, (a * old_y - c * old_x) / determinant
    boxes = tf.stack([(new_x + 1) / 2, (new_y + 1) / 2, boxes[:, 2] * scale_x, boxes[:, 3] * scale_y], 1)

    def share(index: int, fraction: float) -> tuple[Any, Any]:
        """Return 1 for a fraction of the pictures and 0 for the others, and a number up to 1 for each."""
        chance = tf.random.stateless_uniform([2, count, 1, 1, 1], seeds[index])
        return tf.cast(chance[0] < fraction, tf.float32), chance[1]

    chosen, gain = share(7, GAIN_FRACTION)
    x = x * (1 + chosen * (MIN_GAIN - 1 + gain * (MAX_GAIN - MIN_GAIN)))
    chosen, blur = share(8, BLUR_FRACTION)
    x = x + chosen * blur * (tf.nn.avg_pool2d(x, 3, 1, "SAME") - x)
    chosen, noise = share(9, NOISE_FRACTION)
    x = x + chosen * noise * MAX_NOISE * tf.random.stateless_normal(tf.shape(x), seeds[10])
    return tf.clip_by_value(x, LOWEST, HIGHEST), boxes
