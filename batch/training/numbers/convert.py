"""The conversion of the network of numbers to the file that ships."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from batch.terminal import stderr
from batch.training.numbers.networks import scaled
from batch.training.numbers.records import Records

CALIBRATION = 600  # strips from which the converter takes the ranges of the activations


def int8_bytes(model: Any, calibration: dict[int, Records]) -> bytes:
    """Return the content of the .tflite file: uint8 strips in, float logits out, int8 inside.

    Its output is (n, 1, width / 8, 24): the logits of two frames beside each other, which LiteRT need not
    reshape.

    Args:
        model: Model of `networks.build`, with trained weights.
        calibration: Strips like those it will see, by width.
    """
    strips = [picture for records in calibration.values() for picture in records.pictures][:CALIBRATION]
    # With the full range, the input's scale is 1/128 and its zero is the ground: levels go in as they are.
    strips[0] = strips[0].copy()
    strips[0][0, :2] = 0, 255

    def examples() -> Iterator[list[Any]]:
        for strip in strips:
            yield [scaled(strip[None])]

    frames = keras.Model(model.input, model.get_layer("frames").output)
    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder, warnings.catch_warnings():
        # The converter takes the statistics from the pictures, and yet warns that it has none.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        with stderr.silence():
            frames.export(folder, format="tf_saved_model", verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.float32
            return bytes(converter.convert())
