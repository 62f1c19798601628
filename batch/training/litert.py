"""The content of a model's files: Keras, and LiteRT in float and quantised to int8."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from batch.inference.classifier import Digits
from batch.terminal import stderr

MAX_REPRESENTATIVE = 512  # digits that the converter takes the ranges of the activations from


def keras_bytes(model: Any) -> bytes:
    """Return the content of the .keras file: the network and its weights, not the state of its training."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
        path = Path(folder) / "model.keras"
        bare.save(path)
        return path.read_bytes()


def tflite_bytes(model: Any, representative: Digits | None = None) -> bytes:
    """Return the content of the .tflite file: uint8 digits in, float32 logits out, any number at a time.

    Args:
        model: Keras model with uint8 input.
        representative: Digits like those it will see, (n, 28, 28, channels), to quantise weights and
            activations to int8 (Jacob et al. 2018); None keeps them float.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder, warnings.catch_warnings():
        # The converter takes the statistics from the digits, and yet warns that it has none.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        with stderr.silence():
            # TFLiteConverter.from_keras_model prints the whole signature to stdout.
            model.export(folder, format="tf_saved_model", verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if representative is not None:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = lambda: _one_by_one(representative)
            return bytes(converter.convert())


def _one_by_one(digits: Digits) -> Iterator[list[Any]]:
    for digit in digits[:MAX_REPRESENTATIVE]:
        yield [digit[np.newaxis]]
