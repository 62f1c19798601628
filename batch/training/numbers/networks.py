"""The network that reads a line: convolutions over the strip, and a row of characters out (CTC)."""

from __future__ import annotations

from typing import Any

import keras

from batch.inference import spelling
from batch.preprocessing.number_line import STRIP
from batch.training.look.networks import NORM_EPSILON, NORM_MOMENTUM
from batch.training.numbers.mixture import FRAMES

CLASSES, BLANK = spelling.CLASSES, spelling.BLANK
COLUMN_CLASSES = FRAMES * CLASSES  # logits of one column
# Filters, and strides down and along, of the first convolutions.
TRUNK = ((16, 2, 2), (40, 2, 2), (64, 2, 2), (64, 1, 1), (128, 2, 1))
REFINED = (0, 1, 2, 3, 3)  # residual blocks after each of these
ACROSS, ALONG = 192, 192  # filters over the whole height that is left, and along the line
REFINED_ALONG = 5  # residual blocks along the line


def build() -> Any:
    """Build the network with fresh weights.

    Returns:
        Keras model from (n, 40, width, 1), see `look_networks.scaled`, to logits
        (n, width / 4, 12). The width is a multiple of 8.
    """
    x = inputs = keras.Input((STRIP.height_px, None, 1), name="strip")
    for index, (filters, down, right) in enumerate(TRUNK):
        kernel = (6, 6) if index == 0 else (3, 3)
        x = _relu(_convolve(x, filters, kernel, f"conv{index}", strides=(down, right)))
        for block in range(REFINED[index]):
            x = _refine(x, (3, 3), f"refine{index}_{block}")
    rows = x.shape[1]
    x = keras.layers.ZeroPadding2D((0, 1), name="beside")(x)
    x = _relu(_convolve(x, ACROSS, (rows, 3), "across", padding="valid"))
    x = _relu(_convolve(x, ALONG, (1, 5), "along"))
    for index in range(REFINED_ALONG):
        x = _refine(x, (1, 5), f"refine_along{index}")
    x = keras.layers.Conv2D(COLUMN_CLASSES, (1, 3), padding="same", name="frames")(x)
    outputs = keras.layers.Reshape((-1, CLASSES), name="logits")(x)
    return keras.Model(inputs, outputs)


def _convolve(
    x: Any,
    filters: int,
    kernel: tuple[int, int],
    name: str,
    strides: tuple[int, int] = (1, 1),
    padding: str = "same",
    gamma: str = "ones",
) -> Any:
    """Add a convolution and its norm, which the conversion joins (Ioffe and Szegedy 2015)."""
    x = keras.layers.Conv2D(
        filters, kernel, strides, padding, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return keras.layers.BatchNormalization(
        epsilon=NORM_EPSILON, momentum=NORM_MOMENTUM, gamma_initializer=gamma, name=f"{name}_norm"
    )(x)


def _relu(x: Any) -> Any:
    return keras.layers.ReLU()(x)


def _refine(x: Any, kernel: tuple[int, int], name: str) -> Any:
    """Add a residual block; at first it changes nothing (He et al. 2016)."""
    filters = x.shape[-1]
    y = _relu(_convolve(x, filters, kernel, f"{name}_first"))
    y = _convolve(y, filters, kernel, f"{name}_second", gamma="zeros")
    return _relu(keras.layers.Add(name=name)([x, y]))
