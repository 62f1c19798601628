"""The look: a small network that sees the whole scan before digitbox looks for its ink.

Most scans are easy, and the look answers those alone. It also sees what the preprocessing cuts away, e.g. a
second digit beside the first one. Where the look is not sure, the model answers, and the look may doubt that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import ModelError
from batch.inference import decision, model_store
from batch.inference.decision import DIGITS, MIN_TOTAL, Decision, Thresholds
from batch.inference.runtimes import LiteRt, load_keras
from batch.preprocessing.look import LOOK
from batch.records import Grey, Manifest, Prediction, Reason, Status

SEVERAL, NONE = DIGITS, DIGITS + 1  # classes after the ten digits
CLASSES = DIGITS + 2
CHUNK_SCANS = 16  # pictures in a batch; the memory of a larger one leaves the processor's cache
KERAS_UNIT = 128  # the Keras network sees (level - ground) / unit; the other has that in its first layer

Pictures = npt.NDArray[np.uint8]
"""Input of the look: (n, 64, 64, 1), see `batch.preprocessing.look.look_input`."""


class Glance(NamedTuple):
    """What the look says of one scan.

    Attributes:
        label: The most likely digit, 0 to 9.
        confidence: Its probability, 0 to 1.
        probabilities: Those of the ten digits among themselves; they sum to 1.
        several: Probability of several digits, 0 to 1.
        none: Probability of no digit, 0 to 1.
    """

    label: int
    confidence: float
    probabilities: tuple[float, ...]
    several: float
    none: float


@dataclass(frozen=True, slots=True)
class LookThresholds:
    """The numbers that turn what the look says into an answer or a doubt. All are from 0 to 1.

    Attributes:
        above: A digit of at least this probability is the answer.
        several_above: From this probability of several digits the scan is refused.
        several_doubt: From this probability of several digits the model's answer needs review.
        none_doubt: From this probability of no digit the model's answer needs review.
        other_doubt: From this probability of another digit the model's answer needs review.
    """

    above: float
    several_above: float
    several_doubt: float
    none_doubt: float
    other_doubt: float

    @classmethod
    def of(cls, manifest: Manifest) -> LookThresholds:
        """Return the thresholds of a model."""
        return cls(
            manifest.look_above,
            manifest.look_several_above,
            manifest.look_several_doubt,
            manifest.look_none_doubt,
            manifest.look_other_doubt,
        )

    def answer(self, glance: Glance) -> bool:
        """Return whether the look answers the scan with a digit."""
        return glance.confidence >= self.above

    def refuse(self, glance: Glance) -> bool:
        """Return whether the look refuses the scan, which shows several digits."""
        return glance.several >= self.several_above

    def doubt(self, glance: Glance, label: int) -> bool:
        """Return whether the look doubts that the scan shows this digit."""
        return (
            glance.several >= self.several_doubt
            or glance.none >= self.none_doubt
            or (glance.label != label and glance.confidence >= self.other_doubt)
        )


class Network(Protocol):
    """A loaded network of the look."""

    def logits(self, pictures: Pictures) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of pictures.

        Args:
            pictures: Pictures of scans, uint8 (n, 64, 64, 1).

        Returns:
            Logits, float32 (n, 12).
        """


class Look:
    """The look of one model.

    Attributes:
        thresholds: Its thresholds.

    Args:
        network: The loaded network.
        manifest: Manifest of the model.
    """

    def __init__(self, network: Network, manifest: Manifest) -> None:
        self.thresholds = LookThresholds.of(manifest)
        self._network, self._temperature = network, manifest.look_temperature

    def glance(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Look at some scans.

        Args:
            pictures: The picture of each scan, uint8 (64, 64).

        Returns:
            What the look says of each, in the same order. It does not depend on the others.
        """
        glances = []
        for start in range(0, len(pictures), CHUNK_SCANS):
            chunk = np.stack(pictures[start : start + CHUNK_SCANS])
            logits = self._network.logits(chunk[..., None])
            classes = decision.probabilities(logits, "softmax", self._temperature)
            digits = classes[:, :DIGITS]
            shares = digits / np.maximum(digits.sum(axis=1, keepdims=True), MIN_TOTAL)
            labels = digits.argmax(axis=1)
            for label, row, share in zip(labels.tolist(), classes.tolist(), shares.tolist(), strict=True):
                glances.append(Glance(label, row[label], tuple(share), row[SEVERAL], row[NONE]))
        return glances


def decide(glance: Glance, thresholds: Thresholds) -> Decision:
    """Decide on a scan that the look answers.

    Args:
        glance: What the look says of the scan.
        thresholds: Thresholds of the model. The user's `review_below` holds for this answer, too.
    """
    prediction = Prediction(glance.label, glance.confidence, glance.probabilities, glance.none)
    if glance.confidence < thresholds.review_below:
        return Decision(prediction, Status.REVIEW, Reason.LOW_CONFIDENCE)
    return Decision(prediction, Status.OK, None)


def read(model_dir: Path, manifest: Manifest, runtime: str) -> dict[str, bytes]:
    """Read the file of the look that a runtime needs.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        runtime: `litert` or `tensorflow`.

    Returns:
        The verified content by its name; empty if the model has no look.

    Raises:
        ModelError: The file is missing or damaged.
    """
    if model_store.LOOK_FILE not in manifest.files:
        return {}
    name = model_store.LOOK_KERAS_FILE if runtime == "tensorflow" else model_store.LOOK_FILE
    return {name: model_store.read_verified(model_dir, manifest, name)}


def build(files: Mapping[str, bytes], manifest: Manifest) -> Look | None:
    """Build the look of a model from the content of its files.

    Args:
        files: Content by file name, see `read`.
        manifest: Manifest of the model.

    Returns:
        The look; None if the model has none.

    Raises:
        ModelError: The look does not load, or does not fit the manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    title = f"the look of the model {manifest.name}"
    network: Network
    if model_store.LOOK_KERAS_FILE in files:
        network = KerasNetwork(files[model_store.LOOK_KERAS_FILE], title)
    elif model_store.LOOK_FILE in files:
        network = LiteRt(files[model_store.LOOK_FILE], title, CLASSES)
    else:
        return None
    try:
        probe = network.logits(np.zeros((1, LOOK.side_px, LOOK.side_px, 1), np.uint8))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{title} does not run: {error}; reinstall or train it anew") from error
    if probe.shape != (1, CLASSES):
        raise ModelError(f"{title} does not fit it; reinstall or train it anew")
    return Look(network, manifest)


class KerasNetwork:
    """The look in TensorFlow.

    Args:
        content: Content of the .keras file.
        title: Name of the network in messages.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ModelError: Keras cannot load the content.
    """

    def __init__(self, content: bytes, title: str) -> None:
        self._model = load_keras(content, title)

    def logits(self, pictures: Pictures) -> npt.NDArray[np.float32]:
        """Compute the logits of a batch of pictures.

        Args:
            pictures: Pictures of scans, uint8 (n, 64, 64, 1).

        Returns:
            Logits, float32 (n, 12).
        """
        levels = (pictures.astype(np.float32) - LOOK.ground) / KERAS_UNIT
        return np.asarray(self._model.predict_on_batch(levels)["logits"], np.float32)
