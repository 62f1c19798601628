"""The trained model as a function: digits in, logits out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import MissingExtraError, ModelError
from batch.inference import decision, model_store
from batch.records import Manifest
from batch.terminal import stderr

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
    """A .tflite model in LiteRT, on one core; the engine starts one worker for each core.

    Attributes:
        manifest: Manifest of the model.

    Args:
        content: Content of the .tflite file.
        manifest: Manifest of the model.

    Raises:
        ModelError: LiteRT cannot load the content.
    """

    def __init__(self, content: bytes, manifest: Manifest) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.manifest = manifest
        try:
            # LiteRT prints start-up messages on the terminal, and no setting stops it.
            with stderr.silence():
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the model {manifest.name} cannot be loaded: {error}") from error
        self._input: dict[str, Any] = self._interpreter.get_input_details()[0]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._batch_size = 1

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, channels).

        Returns:
            Logits, float32 (n, classes).
        """
        if len(digits) != self._batch_size:
            # A resize costs about as much as one digit, so digitbox does it only when n changes.
            self._interpreter.resize_tensor_input(self._input["index"], digits.shape)
            self._interpreter.allocate_tensors()
            self._batch_size = len(digits)
        self._interpreter.set_tensor(self._input["index"], digits.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


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
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            with stderr.silence():
                import keras
        except ImportError as error:
            raise MissingExtraError("--runtime tensorflow", "train") from error
        self.manifest = manifest
        # Keras loads only from a path. A file of its own holds exactly the bytes that were verified.
        with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
            path = Path(folder) / model_store.KERAS_FILE
            path.write_bytes(content)
            try:
                self.model: Any = keras.models.load_model(path, compile=False, safe_mode=True)
            except (ValueError, OSError, TypeError) as error:
                raise ModelError(f"the model {manifest.name} cannot be loaded: {error}") from error

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of digits.

        Args:
            digits: Model input, uint8 (n, 28, 28, channels).

        Returns:
            Logits, float32 (n, classes).
        """
        return np.asarray(self.model.predict_on_batch(digits), np.float32)
