"""The one door to the trained model: digits in, logits out."""

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
"""(n, 28, 28, channels), as of `views.normalise`."""


class Classifier(Protocol):
    """A loaded model."""

    manifest: Manifest

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Returns the logits of n digits, (n, classes)."""


def load(model_dir: Path, manifest: Manifest, runtime: str = "litert") -> Classifier:
    """Loads a model, checking the files it uses against the manifest.

    Args:
        model_dir: folder of the model.
        manifest: of that folder.
        runtime: `litert` for the int8 model, `tensorflow` for the Keras model.

    Raises:
        ModelError: the model is missing, damaged, or does not fit its manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    return build(read(model_dir, manifest, runtime), manifest, runtime)


def read(model_dir: Path, manifest: Manifest, runtime: str) -> dict[str, bytes]:
    """Reads what a runtime loads of a model: the content of its files by name.

    Raises:
        ModelError: a file is missing or damaged.
    """
    names = [model_store.KERAS_FILE if runtime == "tensorflow" else model_store.TFLITE_FILE]
    if runtime != "tensorflow" and model_store.STUDENT_FILE in manifest.files:
        names.append(model_store.STUDENT_FILE)
    return {name: model_store.read_verified(model_dir, manifest, name) for name in names}


def build(files: Mapping[str, bytes], manifest: Manifest, runtime: str) -> Classifier:
    """Loads a model of what was read of it.

    Raises:
        ModelError: it does not fit its manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    if runtime == "tensorflow":
        return _checked(KerasClassifier(files[model_store.KERAS_FILE], manifest))
    model = _checked(LiteRtClassifier(files[model_store.TFLITE_FILE], manifest))
    if model_store.STUDENT_FILE not in files:
        return model
    return Cascade(_checked(LiteRtClassifier(files[model_store.STUDENT_FILE], manifest)), model)


def _checked(model: Classifier) -> Classifier:
    manifest = model.manifest
    try:
        probe = model.logits(np.zeros((1, 28, 28, manifest.preprocess.channels), np.uint8))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the model {manifest.name} does not run: {error}; train it anew") from error
    if probe.shape != (1, manifest.classes):
        raise ModelError(f"the model {manifest.name} does not fit its manifest: train it anew")
    return model


class Cascade:
    """A small model that answers what it is sure of, and a large one for the rest.

    Args:
        student: the small one, trained to say what the large one says.
        model: the large one.
    """

    def __init__(self, student: Classifier, model: Classifier) -> None:
        self.manifest = model.manifest
        self._student, self._model = student, model

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Returns the logits of n digits, (n, classes), all on the scale of the large model's."""
        logits, sure = self._first_look(digits)
        if not sure.all():
            logits[~sure] = self._model.logits(digits[~sure])
        return logits

    def student_fraction(self, digits: Digits) -> float:
        """Share of n digits that the small model answers."""
        return float(self._first_look(digits)[1].mean())

    def _first_look(self, digits: Digits) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        known = self.manifest
        logits = self._student.logits(digits)
        every = decision.probabilities(logits, known.output, known.student_temperature)
        # It may not refuse: what is no digit is for the large model to say.
        sure = every[:, : decision.DIGITS].max(axis=1) >= known.student_above
        return logits * np.float32(known.temperature / known.student_temperature), sure


class LiteRtClassifier:
    """A .tflite model in LiteRT, on one core: the engine runs one worker a core.

    Args:
        content: of the .tflite file.
        manifest: of the model.
    """

    def __init__(self, content: bytes, manifest: Manifest) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.manifest = manifest
        try:
            # Its start-up chatter goes to the terminal, and no setting stops it.
            with stderr.silence():
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the model {manifest.name} cannot be loaded: {error}") from error
        self._input: dict[str, Any] = self._interpreter.get_input_details()[0]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._batch = 1

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Returns the logits of n digits, (n, classes)."""
        if len(digits) != self._batch:
            # Costs about as much as one digit: worth it only when the number changes.
            self._interpreter.resize_tensor_input(self._input["index"], digits.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(digits)
        self._interpreter.set_tensor(self._input["index"], digits.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


class KerasClassifier:
    """The .keras model in TensorFlow.

    Args:
        content: of the .keras file.
        manifest: of the model.
    """

    def __init__(self, content: bytes, manifest: Manifest) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            with stderr.silence():
                import keras
        except ImportError as error:
            raise MissingExtraError("--runtime tensorflow", "train") from error
        self.manifest = manifest
        # Keras loads from a path only; the bytes verified are the bytes loaded.
        with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
            path = Path(folder) / model_store.KERAS_FILE
            path.write_bytes(content)
            try:
                self.model: Any = keras.models.load_model(path, compile=False, safe_mode=True)
            except (ValueError, OSError, TypeError) as error:
                raise ModelError(f"the model {manifest.name} cannot be loaded: {error}") from error

    def logits(self, digits: Digits) -> npt.NDArray[np.float32]:
        """Returns the logits of n digits, (n, classes)."""
        return np.asarray(self.model.predict_on_batch(digits), np.float32)
