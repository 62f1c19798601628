"""The content of a model's files: Keras, and LiteRT quantised to int8."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.inference.classifier import Digits
from batch.inference.look_networks import scaled
from batch.records import Grey
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


def tflite_bytes(model: Any, representative: Digits) -> bytes:
    """Return the content of the .tflite file: uint8 digits in, float32 logits out, any number at a time.

    Args:
        model: Keras model with uint8 input.
        representative: Digits like those it will see, (n, 28, 28, channels), to quantise weights and
            activations to int8 (Jacob et al. 2018).
    """
    with _converter(model) as converter:
        _quantise(converter, [digit[np.newaxis] for digit in representative[:MAX_REPRESENTATIVE]])
        return bytes(converter.convert())


def int8_bytes(model: Any, pictures: Sequence[Grey]) -> bytes:
    """Return the content of the .tflite file: uint8 pictures in, float32 outputs, int8 inside.

    Args:
        model: Keras model of pictures, see `look_networks.scaled`.
        pictures: Pictures like those it will see. The ranges of the activations come from them.
    """
    import tensorflow as tf

    first = pictures[0].copy()
    # With the full range, the input's scale is 1/128 and its zero is the ground: levels go in as they are.
    first[0, :2] = 0, 255
    examples = [scaled(picture[None, :, :, None]) for picture in (first, *pictures[1:])]
    with _converter(model) as converter:
        _quantise(converter, examples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.float32
        return bytes(converter.convert())


@contextmanager
def _converter(model: Any) -> Iterator[Any]:
    """Yield LiteRT's converter for a Keras model, in silence."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder, warnings.catch_warnings():
        # The converter takes the statistics from the examples, and yet warns that it has none.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        with stderr.silence():
            # TFLiteConverter.from_keras_model prints the whole signature to stdout.
            model.export(folder, format="tf_saved_model", verbose=False)
            yield tf.lite.TFLiteConverter.from_saved_model(folder)


def _quantise(converter: Any, examples: Sequence[npt.NDArray[Any]]) -> None:
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([example] for example in examples)
