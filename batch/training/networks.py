"""The networks by name. Their last layer gives logits, and softmax or sigmoid comes after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from batch.records import PreprocessSpec


@dataclass(frozen=True, slots=True)
class Network:
    """A network, and the settings that it is trained with by default.

    Attributes:
        build: Makes a Keras model, given the shape of its input and the number of classes.
        preprocess: What the model's input is made of.
        rendered: Whether it is trained on rendered scans and on what is no digit, as an eleventh class. If
            not, it is trained on the digits as they are.
        epochs: Number of epochs.
        batch_size: Examples in a step.
        learning_rate: The highest learning rate.
    """

    build: Callable[[tuple[int, int, int], int], Any]
    preprocess: PreprocessSpec
    rendered: bool
    epochs: int
    batch_size: int
    learning_rate: float


def mlp(shape: tuple[int, int, int], classes: int) -> Any:
    """Build the teaching notebook's network: two hidden layers of 50, 42,310 weights."""
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
    """Build two columns of convolutions, one a view, with a hidden layer: 1.2 M weights, 17 M products.

    The digit fills the first view and lies anywhere in the second, so the two cannot share their channels.
    """
    image = keras.Input(shape, dtype="uint8")
    views = layers.Rescaling(1 / 255)(image)
    boxed = _column(views[..., :1], ((24, 3, 1), (32, 3, 2), (48, 3, 1), (64, 3, 2), (80, 3, 1)))
    context = _column(views[..., 1:], ((32, 5, 2), (56, 3, 1), (72, 3, 2), (80, 3, 1)))
    x = layers.Dropout(0.2)(layers.Concatenate()([boxed, context]))
    x = layers.Flatten()(x)
    x = _normalised(layers.Dense(128, use_bias=False)(x))
    x = layers.Dropout(0.3)(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x))


def student(shape: tuple[int, int, int], classes: int) -> Any:
    """Build the small network that looks first: 0.2 M weights, 1.4 M products."""
    image = keras.Input(shape, dtype="uint8")
    x = _column(layers.Rescaling(1 / 255)(image), ((16, 5, 2), (32, 3, 2), (48, 3, 1)))
    x = _normalised(layers.Dense(64, use_bias=False)(layers.Flatten()(x)))
    return keras.Model(image, layers.Dense(classes, name="logits")(x))


def _column(x: Any, convolutions: tuple[tuple[int, int, int], ...]) -> Any:
    """Add convolutions.

    Args:
        x: Keras tensor, (batch, height, width, channels).
        convolutions: Filters, kernel width in pixels and stride of each.
    """
    for filters, width, stride in convolutions:
        x = layers.Conv2D(
            filters, width, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal"
        )(x)
        x = _normalised(x)
    return x


def _normalised(x: Any) -> Any:
    # The default momentum of 0.99 is too slow for short trainings.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))


NETWORKS = {
    "cnn": Network(cnn, PreprocessSpec(views=("boxed", "context")), True, 40, 256, 2e-3),
    "mlp": Network(mlp, PreprocessSpec(views=("boxed",)), False, 10, 32, 1e-3),
}
