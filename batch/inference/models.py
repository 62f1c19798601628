"""A model as it reads: its classifier, its thresholds and, where it has them, its looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from batch.inference import classifier, look_networks
from batch.inference.classifier import Classifier
from batch.inference.decision import Thresholds
from batch.inference.look import LookRules, Looks
from batch.records import Manifest


class Model(NamedTuple):
    """A loaded model.

    Attributes:
        classifier: The networks that see the digit that the preprocessing found.
        thresholds: Thresholds of the classifier, with the user's `review_below`.
        looks: The networks that see each scan first; None if the model has none.
    """

    classifier: Classifier
    thresholds: Thresholds
    looks: Looks | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model."""
        return self.classifier.manifest


def load(
    model_dir: Path, manifest: Manifest, runtime: str = "litert", review_below: float | None = None
) -> Model:
    """Load a model after checking its files against the manifest.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        runtime: `litert` or `tensorflow`.
        review_below: The user's threshold, 0 to 1; None for the model's own.

    Raises:
        ModelError: The model is missing, damaged, or does not fit its manifest.
        ConfigError: `review_below` is not a probability.
        MissingExtraError: TensorFlow is not installed.
    """
    return build(read(model_dir, manifest, runtime), manifest, runtime, review_below)


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
    return classifier.read(model_dir, manifest, runtime) | look_networks.read(model_dir, manifest, runtime)


def build(
    files: Mapping[str, bytes], manifest: Manifest, runtime: str, review_below: float | None = None
) -> Model:
    """Build a model from the content of its files.

    Args:
        files: Content by file name, see `read`.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.
        review_below: The user's threshold, 0 to 1; None for the model's own.

    Raises:
        ModelError: The model does not load, or does not fit its manifest.
        ConfigError: `review_below` is not a probability.
        MissingExtraError: TensorFlow is not installed.
    """
    thresholds = Thresholds.of(manifest, review_below)
    networks = look_networks.build(files, manifest)
    looks = None if networks is None else Looks(networks, LookRules.of(manifest, review_below))
    return Model(classifier.build(files, manifest, runtime), thresholds, looks)
