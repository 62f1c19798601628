"""The trained model as a function: digits in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import ModelError
from batch.inference import model_store
from batch.inference.runtimes import LiteRt, load_keras
from batch.records import Manifest

Digits = npt.NDArray[np.uint8]
"""Input of the model: (n, 28, 28, 1), 0 paper to 255 ink; see `batch.preprocessing.normalise.normalise`."""


class Classifier(Protocol):
    """A loaded model.

    Attributes:
        manifest: Manifest of the model.
    """

    manifest: Manifest

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, 1).

        Returns:
            Logits, float32 (n, classes).
        """


def name(runtime: str) -> str:
    """Return the name of the file of the network.

    Args:
        runtime: `litert` for the int8 network, `tensorflow` for the Keras network.
    """
    return model_store.KERAS_FILE if runtime == "tensorflow" else model_store.TFLITE_FILE


def build(files: Mapping[str, bytes], manifest: Manifest, runtime: str = "litert") -> Classifier:
    """Build a model from the content of its files.

    Args:
        files: Content by file name; that of `name` must be among them.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.

    Raises:
        ModelError: The model does not load, or does not fit its manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    kind = KerasClassifier if runtime == "tensorflow" else LiteRtClassifier
    return _checked(kind(files[name(runtime)], manifest))


def _checked(model: Classifier) -> Classifier:
    """Return the model if it can read one blank digit, and fail otherwise."""
    manifest = model.manifest
    try:
        probe = model.logits(np.zeros((1, 28, 28, 1), np.uint8))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the model {manifest.name} does not run: {error}; train it anew") from error
    if probe.shape != (1, manifest.classes):
        raise ModelError(f"the model {manifest.name} does not fit its manifest; train it anew")
    return model


class LiteRtClassifier:
    """A .tflite model in LiteRT.

    Attributes:
        manifest: Manifest of the model.

    Args:
        content: Content of the .tflite file.
        manifest: Manifest of the model.

    Raises:
        ModelError: LiteRT cannot load the content.
    """

    def __init__(self, content: bytes, manifest: Manifest) -> None:
        self.manifest = manifest
        self._network = LiteRt(content, f"the model {manifest.name}", manifest.classes)

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, 1).

        Returns:
            Logits, float32 (n, classes).
        """
        return self._network.outputs(digits)[0]


class KerasClassifier:
    """A .keras model in TensorFlow.

    Attributes:
        manifest: Manifest of the model.
        model: The Keras model itself.

    Args:
        content: Content of the .keras file.
        manifest: Manifest of the model.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ModelError: Keras cannot load the content.
    """

    def __init__(self, content: bytes, manifest: Manifest) -> None:
        self.manifest = manifest
        self.model: Any = load_keras(content, f"the model {manifest.name}")

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, 1).

        Returns:
            Logits, float32 (n, classes).
        """
        return np.asarray(self.model.predict_on_batch(digits), np.float32)
