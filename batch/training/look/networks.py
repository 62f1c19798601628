"""The networks of the looks in Keras: plain convolutions on a scan or a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from batch.inference.look_networks import CLASSES, PLACE
from batch.preprocessing.look import SIDE_PX

WEIGHT_SCALE = 1 / 3  # of the first weights; PyTorch's default, with which an engineer found the rates
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.98


@dataclass(frozen=True)
class Network:
    """The shape of a network, and how fast it learns.

    Attributes:
        layers: Filters and stride of each convolution; the first is 6x6, the others 3x3.
        dense: Units of the dense layer.
        peak_rate: Highest learning rate.
        outputs: Columns of each output by name.
    """

    layers: tuple[tuple[int, int], ...]
    dense: int
    peak_rate: float
    outputs: Mapping[str, int]


_LARGER = (24, 2), (32, 1), (64, 2), (64, 1), (96, 2), (128, 1), (160, 2), (192, 1)
_WHOLE = {"logits": CLASSES, "place": PLACE}  # of a network that sees the whole scan
# Of a ladder of 4, 10 and 40 million products, see docs/training.md, the first and the last are in use.
NETWORKS = {
    "look": Network(((12, 2), (24, 2), (48, 2), (56, 1), (96, 2)), 64, 3e-3, _WHOLE),
    "close": Network(_LARGER, 96, 2e-3, _WHOLE),
    "place": Network(_LARGER, 96, 4e-4, {"logits": CLASSES}),
}


def build(network: Network) -> Any:
    """Build a Keras model with fresh weights.

    Returns:
        Model from (n, 64, 64, 1), see `look_networks.scaled`, to logits (n, 12), and for a network that sees
        whole scans to place (n, 4), by name.
    """
    x = inputs = keras.Input((SIDE_PX, SIDE_PX, 1), name="scan")
    for index, (filters, stride) in enumerate(network.layers):
        kernel = 6 if index == 0 else 3
        x = keras.layers.Conv2D(
            filters,
            kernel,
            stride,
            "same",
            use_bias=False,
            kernel_initializer=_initializer(),
            name=f"conv{index}",
        )(x)
        x = _norm(f"norm{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(network.dense, use_bias=False, kernel_initializer=_initializer(), name="dense")(x)
    x = _norm("dense_norm")(x)
    x = keras.layers.ReLU(name="dense_relu")(x)
    outputs = {
        name: keras.layers.Dense(columns, kernel_initializer=_initializer(), name=name)(x)
        for name, columns in network.outputs.items()
    }
    return keras.Model(inputs, outputs)


def _initializer() -> Any:
    """Return small first weights; the norms make up for their size, and each step then changes more."""
    return keras.initializers.VarianceScaling(WEIGHT_SCALE, "fan_in", "uniform")


def _norm(name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=NORM_EPSILON, momentum=NORM_MOMENTUM, name=name)
