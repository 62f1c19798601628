"""The conversion of a trained network to LiteRT in int8: norms folded, the first convolution on blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from batch.inference.look_networks import scaled
from batch.inference.runtimes import LiteRt
from batch.preprocessing.look import SIDE_PX
from batch.training import litert
from batch.training.look.model_folder import KERAS_FILES, LITERT_FILES
from batch.training.look.networks import NORM_EPSILON, Network

Weights = npt.NDArray[np.float32]
Pictures = npt.NDArray[np.uint8]  # (n, 64, 64)

BLOCK_PX = 2  # the first convolution sees blocks of 2x2 pixels as four channels, which runs fastest
CALIBRATION = 800  # pictures from which the converter takes the ranges of the activations
CHUNK = 256  # pictures that a network sees together


def fold(model: Any, network: Network) -> Any:
    """Build the same function with the norms folded into the weights before them.

    Args:
        model: Model of `networks.build`, with trained weights.
        network: Its shape; what else than its outputs the model says is left out.

    Returns:
        Keras model with the layers `conv0`, `conv1`, ..., `dense`, `logits` and, if it has that, `place`.
    """
    x = inputs = keras.Input((SIDE_PX, SIDE_PX, 1), name="scan")
    for index, (filters, stride) in enumerate(network.layers):
        kernel = 6 if index == 0 else 3
        x = keras.layers.Conv2D(filters, kernel, stride, "same", activation="relu", name=f"conv{index}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(network.dense, activation="relu", name="dense")(x)
    outputs = {name: keras.layers.Dense(columns, name=name)(x) for name, columns in network.outputs.items()}
    result = keras.Model(inputs, outputs)
    for index in range(len(network.layers)):
        result.get_layer(f"conv{index}").set_weights(_folded(model, f"conv{index}", f"norm{index}"))
    result.get_layer("dense").set_weights(_folded(model, "dense", "dense_norm"))
    for name in outputs:
        result.get_layer(name).set_weights(model.get_layer(name).get_weights())
    return result


def _in_blocks(folded: Any) -> Any:
    """Build the same function with its first convolution as 3x3 on blocks of 2x2 pixels."""
    x = inputs = keras.Input((SIDE_PX, SIDE_PX, 1), name="scan")
    x = _Blocks(name="blocks")(x)
    outputs, kernels = {}, {}
    for layer in folded.layers[1:]:
        config = layer.get_config()
        kernels[layer.name] = layer.get_weights()
        if layer.name == "conv0":
            config |= {"kernel_size": 3, "strides": config["strides"][0] // BLOCK_PX}
            kernel, bias = layer.get_weights()
            kernels[layer.name] = [_kernel_in_blocks(kernel), bias]
        new = type(layer).from_config(config)
        if layer.name in folded.output_names:
            outputs[layer.name] = new(x)
        else:
            x = new(x)
    result = keras.Model(inputs, outputs)
    for name, weights in kernels.items():
        result.get_layer(name).set_weights(weights)
    return result


class _Blocks(keras.layers.Layer):  # type: ignore[misc]
    """Turns blocks of 2x2 pixels into four channels."""

    def call(self, inputs: Any) -> Any:
        return tf.nn.space_to_depth(inputs, BLOCK_PX)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        count, *_ = input_shape
        return count, SIDE_PX // BLOCK_PX, SIDE_PX // BLOCK_PX, BLOCK_PX**2


def _folded(model: Any, layer: str, norm: str) -> list[Weights]:
    """Fold a batch normalisation into the weights before it; return kernel and bias."""
    (kernel,) = model.get_layer(layer).get_weights()
    gamma, beta, mean, variance = model.get_layer(norm).get_weights()
    gain = gamma / np.sqrt(variance + NORM_EPSILON)
    return [kernel * gain, beta - mean * gain]


def _kernel_in_blocks(kernel: Weights) -> Weights:
    """Turn a kernel (6, 6, 1, filters) on pixels into one (3, 3, 4, filters) on blocks of 2x2 pixels."""
    rows, columns, _, filters = kernel.shape
    parts = kernel.reshape(rows // BLOCK_PX, BLOCK_PX, columns // BLOCK_PX, BLOCK_PX, filters)
    return parts.transpose(0, 2, 1, 3, 4).reshape(rows // BLOCK_PX, columns // BLOCK_PX, -1, filters)


def int8_bytes(folded: Any, calibration: Pictures) -> bytes:
    """Return the content of the .tflite file: uint8 pictures in, float logits and place out, int8 inside.

    Args:
        folded: Result of `fold`.
        calibration: Pictures like those it will see.
    """
    return litert.int8_bytes(_in_blocks(folded), [*calibration[:CALIBRATION]])


def files_of(name: str, folded: Any, calibration: Pictures) -> dict[str, bytes]:
    """Return the content of both files of a network, Keras and LiteRT, by file name.

    Args:
        name: Name of the network.
        folded: Result of `fold`.
        calibration: Pictures like those it will see.
    """
    return {
        KERAS_FILES[name]: litert.keras_bytes(folded),
        LITERT_FILES[name]: int8_bytes(folded, calibration),
    }


def keras_outputs(model: Any, pictures: Pictures) -> dict[str, Weights]:
    """Return the outputs of a Keras model by name: logits, (n, 12), and place, (n, 4), if it says that."""
    outputs = [model(scaled(chunk), training=False) for chunk in _chunks(pictures)]
    return {name: np.concatenate([np.asarray(output[name]) for output in outputs]) for name in outputs[0]}


def litert_outputs(content: bytes, pictures: Pictures, network: Network) -> dict[str, Weights]:
    """Return the outputs of the content of a LiteRT file by name, as `keras_outputs` does.

    Args:
        content: Content of the file.
        pictures: The pictures.
        network: Shape of the network.
    """
    runtime = LiteRt(content, "the network", *network.outputs.values())
    parts = zip(*map(runtime.outputs, _chunks(pictures)), strict=True)
    return dict(zip(network.outputs, map(np.concatenate, parts), strict=True))


def _chunks(pictures: Pictures) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the pictures as a network sees them, (n, 64, 64, 1), a few at a time."""
    for start in range(0, len(pictures), CHUNK):
        yield pictures[start : start + CHUNK, :, :, np.newaxis]
