"""The networks, by name. Their last layer gives logits; softmax or sigmoid comes after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from batch.records import PreprocessSpec


@dataclass(frozen=True, slots=True)
class Network:
    """A network and how it is trained unless told otherwise.

    Attributes:
        build: from the shape of its input and the number of classes to a Keras model.
        preprocess: what its input is made with.
        rendered: trained on rendered scans and with the class `not a digit`; else on the digits as they are.
        epochs, batch_size, learning_rate: of the training.
    """

    build: Callable[[tuple[int, int, int], int], Any]
    preprocess: PreprocessSpec
    rendered: bool
    epochs: int
    batch_size: int
    learning_rate: float


def mlp(shape: tuple[int, int, int], classes: int) -> Any:
    """The teaching notebook's network: two hidden layers of 50, 42,310 weights."""
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dense(50, activation="relu"),
            layers.Dense(classes, name="logits"),
        ]
    )


def cnn(shape: tuple[int, int, int], classes: int) -> Any:
    """Five 3x3 convolutions, two of them strided, and a hidden layer: 0.6 M weights, 8 M products."""
    image = keras.Input(shape, dtype="uint8")
    x = layers.Rescaling(1 / 255)(image)
    for filters, stride in ((24, 1), (32, 2), (48, 1), (64, 2), (80, 1)):
        x = layers.Conv2D(
            filters, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal"
        )(x)
        x = _normalised(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Flatten()(x)
    x = _normalised(layers.Dense(128, use_bias=False)(x))
    x = layers.Dropout(0.3)(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x))


def _normalised(x: Any) -> Any:
    # The default momentum of 0.99 is too slow for short trainings.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))


NETWORKS = {
    "cnn": Network(cnn, PreprocessSpec(views=("boxed", "context")), True, 40, 256, 2e-3),
    "mlp": Network(mlp, PreprocessSpec(views=("boxed",)), False, 10, 32, 1e-3),
}
