"""The conversion of the network of numbers to the file that ships."""

from __future__ import annotations

from typing import Any

import keras

from batch.training import litert
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
    frames = keras.Model(model.input, model.get_layer("frames").output)
    return litert.int8_bytes(frames, strips)
