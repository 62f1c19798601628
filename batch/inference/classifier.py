"""The trained model as a function: digits in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import ModelError
from batch.inference import decision, model_store
from batch.inference.runtimes import LiteRt, load_keras
from batch.records import Manifest

Digits = npt.NDArray[np.uint8]
"""Input of the model: (n, 28, 28, channels), 0 paper to 255 ink; see `views.normalise`."""


class Classifier(Protocol):
    """A loaded model.

    Attributes:
        manifest: Manifest of the model.
    """

    manifest: Manifest

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, channels).

        Returns:
            Logits, float32 (n, classes).
        """


def load(model_dir: Path, manifest: Manifest, runtime: str = "litert") -> Classifier:
    """Load a model after checking its files against the manifest.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        runtime: `litert` for the int8 model, `tensorflow` for the Keras model.

    Returns:
        The loaded model; with `litert` a `Cascade` if the folder has a student.

    Raises:
        ModelError: The model is missing, damaged, or does not fit its manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    return build(read(model_dir, manifest, runtime), manifest, runtime)


def read(model_dir: Path, manifest: Manifest, runtime: str) -> dict[str, bytes]:
    """Read the files of a model that a runtime needs.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        runtime: `litert` or `tensorflow`.

    Returns:
        The verified content of each file by its name.

    Raises:
        ModelError: A file is missing or damaged.
    """
    names = [model_store.KERAS_FILE if runtime == "tensorflow" else model_store.TFLITE_FILE]
    if runtime != "tensorflow" and model_store.STUDENT_FILE in manifest.files:
        names.append(model_store.STUDENT_FILE)
    return {name: model_store.read_verified(model_dir, manifest, name) for name in names}


def build(files: Mapping[str, bytes], manifest: Manifest, runtime: str) -> Classifier:
    """Build a model from the content of its files.

    Args:
        files: Content by file name, see `read`.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.

    Returns:
        The loaded model.

    Raises:
        ModelError: The model does not load, or does not fit its manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    if runtime == "tensorflow":
        return _checked(KerasClassifier(files[model_store.KERAS_FILE], manifest))
    model = _checked(LiteRtClassifier(files[model_store.TFLITE_FILE], manifest))
    if model_store.STUDENT_FILE not in files:
        return model
    return Cascade(_checked(LiteRtClassifier(files[model_store.STUDENT_FILE], manifest)), model)


def _checked(model: Classifier) -> Classifier:
    """Return the model if it can read one blank digit, and fail otherwise."""
    manifest = model.manifest
    try:
        probe = model.logits(np.zeros((1, 28, 28, manifest.preprocess.channels), np.uint8))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the model {manifest.name} does not run: {error}; train it anew") from error
    if probe.shape != (1, manifest.classes):
        raise ModelError(f"the model {manifest.name} does not fit its manifest; train it anew")
    return model


class Cascade:
    """A small model for the easy digits and a large model for the others.

    The small model is distilled from the large one (Hinton et al., "Distilling the knowledge in a neural
    network", 2015). Its answer counts if its confidence is at least the manifest's `student_above`.

    Attributes:
        manifest: Manifest of the large model.

    Args:
        student: The small model, trained to give the large model's answers.
        model: The large model.
    """

    def __init__(self, student: Classifier, model: Classifier) -> None:
        self.manifest = model.manifest
        self._student, self._model = student, model

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, channels).

        Returns:
            Logits, float32 (n, classes), all on the scale of the large model's temperature.
        """
        logits, is_sure = self._student_logits(digits)
        if not is_sure.all():
            logits[~is_sure] = self._model.logits(digits[~is_sure])
        return logits

    def student_fraction(self, digits: Digits) -> float:
        """Return the share of the digits that the small model answers, 0 to 1.

        Args:
            digits: Model input, uint8 (n, 28, 28, channels).
        """
        return float(self._student_logits(digits)[1].mean())

    def _student_logits(self, digits: Digits) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return the small model's logits on the large model's scale, and where it is sure, bool (n,)."""
        manifest = self.manifest
        logits = self._student.logits(digits)
        probabilities = decision.probabilities(logits, manifest.output, manifest.student_temperature)
        # Only the large model may refuse, so "not a digit" does not count as sure.
        is_sure = probabilities[:, : decision.DIGITS].max(axis=1) >= manifest.student_above
        return logits * np.float32(manifest.temperature / manifest.student_temperature), is_sure


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
            digits: Model input, uint8 (n, 28, 28, channels).

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
            digits: Model input, uint8 (n, 28, 28, channels).

        Returns:
            Logits, float32 (n, classes).
        """
        return np.asarray(self.model.predict_on_batch(digits), np.float32)
