"""The network that reads a line: convolutions over the strip, and a row of characters out (CTC)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from batch.preprocessing.number_line import STRIP
from batch.training.look.networks import GROUND, UNIT
from batch.training.numbers.mixture import FRAMES, SIGN

CLASSES = SIGN + 2  # ten digits, what is no digit, and the blank of CTC
BLANK = CLASSES - 1
COLUMN_CLASSES = FRAMES * CLASSES  # logits of one column
# Filters, and strides down and along, of the first convolutions.
TRUNK = ((16, 2, 2), (40, 2, 2), (64, 2, 2), (64, 1, 1), (128, 2, 1))
ACROSS, ALONG = 192, 192  # filters over the whole height that is left, and along the line


def build() -> Any:
    """Build the network with fresh weights.

    Returns:
        Keras model from (n, 40, width, 1), float32 as `look.networks.UNIT` says, to logits
        (n, width / 4, 12). The width is a multiple of 8.
    """
    x = inputs = keras.Input((STRIP.height_px, None, 1), name="strip")
    for index, (filters, down, right) in enumerate(TRUNK):
        kernel = 6 if index == 0 else 3
        x = keras.layers.Conv2D(
            filters, kernel, (down, right), "same", activation="relu", name=f"conv{index}"
        )(x)
    rows = x.shape[1]
    x = keras.layers.ZeroPadding2D((0, 1), name="beside")(x)
    x = keras.layers.Conv2D(
        ACROSS, (rows, 3), activation="relu", kernel_initializer="he_normal", name="across"
    )(x)
    x = keras.layers.Conv2D(
        ALONG, (1, 5), padding="same", activation="relu", kernel_initializer="he_normal", name="along"
    )(x)
    x = keras.layers.Conv2D(COLUMN_CLASSES, (1, 3), padding="same", name="frames")(x)
    outputs = keras.layers.Reshape((-1, CLASSES), name="logits")(x)
    return keras.Model(inputs, outputs)


def scaled(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return what the network sees of strips, (n, 40, width) to (n, 40, width, 1)."""
    return (pictures[..., None].astype(np.float32) - np.float32(GROUND)) / np.float32(UNIT)
