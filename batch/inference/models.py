"""A model as it reads: its networks and, if the user wants that, its reader of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from batch.inference import classifier, look_networks, model_store, numbers
from batch.inference.classifier import DigitReader
from batch.inference.decision import Thresholds, check_review_below
from batch.inference.look import LookRules, Looks
from batch.inference.numbers import NumberReader
from batch.lengths import ONE, Lengths
from batch.records import Input, Manifest


class Model(NamedTuple):
    """A loaded model.

    Attributes:
        manifest: Manifest of the model.
        network: The looks, which see the scan itself; or a network that sees the digit that the preprocessing
            finds.
        numbers: The reader of numbers; None if each scan holds one digit.
    """

    manifest: Manifest
    network: Looks | DigitReader
    numbers: NumberReader | None = None

    @property
    def looks(self) -> Looks | None:
        """The looks; None if the model has none."""
        return self.network if isinstance(self.network, Looks) else None


def load(
    model_dir: Path,
    runtime: str = "litert",
    review_below: float | None = None,
    digits: Lengths = ONE,
) -> Model:
    """Load a model after checking its files against its manifest.

    Args:
        model_dir: Folder of the model.
        runtime: `litert` or `tensorflow`.
        review_below: The user's threshold, 0 to 1; None for the model's own.
        digits: The numbers of digits that a scan may hold.

    Raises:
        ModelError: The model is missing, damaged, or does not fit its manifest.
        ConfigError: `review_below` is not a probability; or the model or the runtime reads no numbers.
        MissingExtraError: TensorFlow is not installed.
    """
    manifest = model_store.load_manifest(model_dir)
    return build(read(model_dir, manifest, runtime, digits), manifest, runtime, review_below, digits)


def read(model_dir: Path, manifest: Manifest, runtime: str, digits: Lengths = ONE) -> dict[str, bytes]:
    """Read the files of a model that a runtime needs.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        runtime: `litert` or `tensorflow`.
        digits: The numbers of digits that a scan may hold.

    Returns:
        The verified content of each file by its name.

    Raises:
        ConfigError: The model or the runtime reads no numbers, and a scan may hold one.
        ModelError: A file is missing or damaged.
    """
    has_looks = manifest.preprocess.input is Input.SCAN
    names = look_networks.names(runtime) if has_looks else (classifier.name(runtime),)
    files = {name: model_store.read_verified(model_dir, manifest, name) for name in names}
    return files if digits == ONE else files | numbers.read(model_dir, manifest, runtime)


def build(
    files: Mapping[str, bytes],
    manifest: Manifest,
    runtime: str,
    review_below: float | None = None,
    digits: Lengths = ONE,
) -> Model:
    """Build a model from the content of its files.

    Args:
        files: Content by file name, see `read`.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.
        review_below: The user's threshold, 0 to 1; None for the model's own.
        digits: The numbers of digits that a scan may hold.

    Raises:
        ModelError: The model does not load, or does not fit its manifest.
        ConfigError: `review_below` is not a probability.
        MissingExtraError: TensorFlow is not installed.
    """
    check_review_below(review_below)
    network: Looks | DigitReader
    if manifest.preprocess.input is Input.DIGIT:
        network = DigitReader(
            classifier.build(files, manifest, runtime), Thresholds.of(manifest, review_below)
        )
    else:
        network = Looks(look_networks.build(files, manifest, runtime), LookRules.of(manifest, review_below))
    model = Model(manifest, network)
    if digits == ONE:
        return model
    return model._replace(numbers=numbers.build(files, manifest, digits, review_below, model.looks))
