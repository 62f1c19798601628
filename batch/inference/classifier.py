"""The network of a model of digits as a function: digits in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference import model_store, runtimes
from batch.inference.decision import Thresholds
from batch.preprocessing.normalise import DIGIT_PX
from batch.records import Manifest

Digits = npt.NDArray[np.uint8]
"""Input of the model: (n, 28, 28, 1), 0 paper to 255 ink; see `batch.preprocessing.normalise.normalise`."""

Classifier = Callable[[Digits], npt.NDArray[np.float32]]
"""A loaded network of digits; it returns the logits of each, (n, classes)."""


class DigitReader(NamedTuple):
    """A network of digits and what it takes to decide.

    Attributes:
        classifier: The loaded network.
        thresholds: Its thresholds, with the user's `review_below`.
    """

    classifier: Classifier
    thresholds: Thresholds


def name(runtime: str) -> str:
    """Return the name of the file of the network.

    Args:
        runtime: `litert` for the int8 network, `tensorflow` for the Keras network.
    """
    return model_store.KERAS_FILE if runtime == "tensorflow" else model_store.TFLITE_FILE


def build(files: Mapping[str, bytes], manifest: Manifest, runtime: str = "litert") -> Classifier:
    """Build the network from the content of its file.

    Args:
        files: Content by file name; that of `name` must be among them.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.

    Raises:
        ModelError: The network does not load, or does not fit the manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    title = f"the model {manifest.name}"
    network = runtimes.load(files[name(runtime)], title, runtime, (DIGIT_PX, DIGIT_PX), manifest.classes)
    return lambda digits: network.outputs(digits)[0]
