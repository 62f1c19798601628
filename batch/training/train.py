"""The way from data sets to a model folder."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from batch.errors import ConfigError
from batch.inference import model_store
from batch.inference.classifier import Classifier, KerasClassifier, LiteRtClassifier, build
from batch.records import Manifest
from batch.training import calibration, examples, litert, model_card, prior
from batch.training.data.datasets import Dataset, Labelled
from batch.training.data.own_scans import OwnScan
from batch.training.distil import distil
from batch.training.evaluation import charts
from batch.training.examples import AS_IS, DRAWN, RENDERED, VARIED, Examples, Material
from batch.training.networks import NETWORKS, Network
from batch.training.progress import Progress
from batch.training.recipe import Recipe, fit
from batch.training.split import split

# A training that goes on from a trained model is short, and takes small steps.
FINE_TUNING_RATE_SHARE = 0.2  # of the network's learning rate
FINE_TUNING_EPOCHS = 4
FINE_TUNING_EXAMPLES = 20_000  # in an epoch, at most
KINDS = {
    AS_IS: "digits as they are",
    VARIED: "digits varied",
    RENDERED: "digits as scans",
    DRAWN: "drawn digits as scans",
}


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """The options of `digitbox train`; None takes the network's own setting.

    Attributes:
        network: A name of `NETWORKS`.
        name: Name of the new model.
        models_dir: Folder of models to write to.
        epochs: Number of epochs.
        examples_per_epoch: Rendered examples in an epoch; None for as many as there are digits.
        batch_size: Examples in a step.
        learning_rate: The highest learning rate.
        output: `softmax` or `sigmoid`.
        seed: Seed of every random choice but the split.
        overwrite: Whether a model of the same name is replaced.
        start: Folder of a model of the same network to go on from.
        own: The user's scans with their labels, 0 to 9 or `NOT_A_DIGIT`.
    """

    network: str = "cnn"
    name: str = "cnn"
    models_dir: Path = Path("models")
    epochs: int | None = None
    examples_per_epoch: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    output: str = "softmax"
    seed: int = 1
    overwrite: bool = False
    start: Path | None = None
    own: Sequence[OwnScan] = ()


def train(options: TrainOptions, data: Sequence[Dataset], progress: Progress) -> Path:
    """Train a network, calibrate it on held-out digits, test it, and write its folder.

    Args:
        options: What to train and where to write it.
        data: Data sets to train on. Their test images are only tested on.
        progress: Receives lines of progress.

    Returns:
        The model's folder.

    Raises:
        ConfigError: If the name is taken, or the options do not go together.
        ModelError: If the folder cannot be written.
    """
    network = NETWORKS[options.network]
    if options.output == "sigmoid" and network.rendered:
        raise ConfigError("--output sigmoid goes with --network mlp only")
    model_store.check_target(options.models_dir, options.name, options.overwrite)
    keras.utils.set_random_seed(options.seed)
    images = split(data, options.own, rendered=network.rendered, progress=progress)
    held_out, in_practice = _held_out_examples(images.held_out, network, options.seed)
    model = _start_model(options, network)
    recipe = _recipe(options, network, images.training)
    history = fit(model, network, recipe, images.training, held_out, progress)
    student = None
    if network.rendered:
        student = distil(
            model,
            _load_from_start(options.start, model_store.STUDENT_KERAS_FILE),
            network,
            images.training,
            count=recipe.examples_per_epoch,
            seed=options.seed,
            progress=progress,
        )
        prior.shift_for_use(model)
        prior.shift_for_use(student)
    progress("exporting to LiteRT")
    files = _export(model, student, held_out)
    look_files, look_fields = _look_of_start(options.start)
    files |= look_files
    manifest = Manifest(
        name=options.name,
        version=model_store.version_of(options.name, files),
        network=options.network,
        classes=model.output_shape[-1],
        output=options.output,
        preprocess=network.preprocess,
        temperature=1.0,
        review_below=0.5,
        refuse_above=calibration.REFUSE_ABOVE,
        files=model_store.digests(files),
        datasets=tuple({"name": part.name, "licence": part.licence} for part in data),
        seed=options.seed,
        start="" if options.start is None else model_store.load_manifest(options.start).version,
        versions={package: metadata.version(package) for package in ("tensorflow", "keras", "numpy")},
        **look_fields,
    )
    classifier, manifest = _calibrate(files, manifest, held_out, in_practice)
    figures = _figures(classifier, manifest, held_out, in_practice, images.own_held_out, data)
    manifest = dataclasses.replace(manifest, metrics=figures)
    for name, figure in figures.items():
        progress(f"{name}: {model_card.sentence(figure)}")
    files["card.md"] = model_card.text(manifest).encode()
    files["history.json"] = (json.dumps(history, indent=1) + "\n").encode()
    files["curves.png"] = _png(lambda target: charts.curves(history, target))
    return model_store.save(options.models_dir, manifest, files, options.overwrite)


def _held_out_examples(material: Material, network: Network, seed: int) -> tuple[Examples, Examples]:
    """Make the held-out examples: in the mixture of the training, and under the named conditions."""
    spec = network.preprocess
    if not network.rendered:
        plain = examples.plain(material, spec)
        return plain, plain
    count = 2 * len(material.digits)
    return (
        examples.rendered(material, spec, count, seed),
        examples.in_practice(material, spec, count, seed),
    )


def _recipe(options: TrainOptions, network: Network, material: Material) -> Recipe:
    """Complete the options with the network's own settings."""
    is_new = options.start is None
    count = len(material.digits) + len(material.own)
    if network.rendered:
        count = options.examples_per_epoch or (count if is_new else min(count, FINE_TUNING_EXAMPLES))
    return Recipe(
        epochs=options.epochs or (network.epochs if is_new else FINE_TUNING_EPOCHS),
        examples_per_epoch=count,
        batch_size=options.batch_size or network.batch_size,
        learning_rate=options.learning_rate
        or network.learning_rate * (1 if is_new else FINE_TUNING_RATE_SHARE),
        output=options.output,
        seed=options.seed,
    )


def _export(model: Any, student: Any | None, representative: Examples) -> dict[str, bytes]:
    """Return the files of the network and, if there is one, of its student."""
    files = {
        model_store.KERAS_FILE: litert.keras_bytes(model),
        model_store.TFLITE_FILE: litert.tflite_bytes(model, representative.digits),
    }
    if student is not None:
        files[model_store.STUDENT_KERAS_FILE] = litert.keras_bytes(student)
        files[model_store.STUDENT_FILE] = litert.tflite_bytes(student, representative.digits)
    return files


def _calibrate(
    files: Mapping[str, bytes], manifest: Manifest, held_out: Examples, in_practice: Examples
) -> tuple[Classifier, Manifest]:
    """Return the classifier that ships, and the manifest with its temperatures and thresholds.

    A temperature is fitted to errors, and the mixture of the training has most of them. The thresholds are
    for what people scan. Nobody knows how hard that is, so half of it is that mixture, and half of it is
    under one named condition each.
    """
    model = LiteRtClassifier(files[model_store.TFLITE_FILE], manifest)
    manifest = calibration.with_temperature(model, manifest, held_out)
    if model_store.STUDENT_FILE in files:
        student = LiteRtClassifier(files[model_store.STUDENT_FILE], manifest)
        manifest = calibration.with_student(student, model, manifest, held_out)
    classifier = build(files, manifest, "litert")
    return classifier, calibration.with_thresholds(
        classifier, manifest, examples.concatenate([held_out, in_practice])
    )


def _figures(
    classifier: Classifier,
    manifest: Manifest,
    held_out: Examples,
    in_practice: Examples,
    own_held_out: Sequence[OwnScan],
    data: Sequence[Dataset],
) -> dict[str, dict[str, float | int]]:
    """Test the classifier that ships on all images that it was not trained on, and return figures by name."""
    spec, rendered = manifest.preprocess, NETWORKS[manifest.network].rendered
    figures = {"held out": calibration.figures(classifier, manifest, held_out)}
    if rendered:
        for kind, name in KINDS.items():
            of_kind = held_out.take(held_out.kinds == kind)
            if of_kind.labels.size:
                figures[f"held out, {name}"] = calibration.figures(classifier, manifest, of_kind)
        figures["held out, under the named conditions"] = calibration.figures(
            classifier, manifest, in_practice
        )
    if own_held_out:
        no_digits = Labelled(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int32))
        figures["own scans held out"] = calibration.figures(
            classifier,
            manifest,
            examples.plain(Material(no_digits, own=own_held_out), spec),
            np.array([label for _, label in own_held_out], np.int32),
        )
    for part in data:
        if part.test is None:
            continue
        for suffix, images in (("", part.test.images), (", inverted", 255 - part.test.images)):
            labelled = Labelled(images, part.test.labels)
            if not rendered:
                labelled = labelled.take(labelled.are_digits)
            if len(labelled):
                figures[f"{part.name} test{suffix}"] = calibration.figures(
                    classifier, manifest, examples.plain(Material(labelled), spec), labelled.labels
                )
    return figures


def _load_from_start(start: Path | None, filename: str) -> Any | None:
    """Load a Keras model of the folder to go on from; return None if there is none."""
    if start is None:
        return None
    manifest = model_store.load_manifest(start)
    if filename not in manifest.files:
        return None
    model = KerasClassifier(model_store.read_verified(start, manifest, filename), manifest).model
    prior.shift_for_training(model)
    return model


def _look_of_start(start: Path | None) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of the looks of the model to go on from, and their fields of the manifest."""
    if start is None:
        return {}, {}
    manifest = model_store.load_manifest(start)
    if model_store.LOOK_FILE not in manifest.files:
        return {}, {}
    fields = {
        field.name: getattr(manifest, field.name)
        for field in dataclasses.fields(manifest)
        if field.name.startswith("look_")
    }
    return {name: model_store.read_verified(start, manifest, name) for name in model_store.LOOK_FILES}, fields


def _start_model(options: TrainOptions, network: Network) -> Any:
    """Build a new model, or load the one to go on from."""
    if options.start is None:
        return network.build((28, 28, network.preprocess.channels), 11 if network.rendered else 10)
    manifest = model_store.load_manifest(options.start)
    if (manifest.network, manifest.output) != (options.network, options.output):
        raise ConfigError(
            f"--from {options.start} is a {manifest.network} with {manifest.output} output: give the same"
        )
    return _load_from_start(options.start, model_store.KERAS_FILE)


def _png(draw: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
        draw(Path(folder) / "picture.png")
        return (Path(folder) / "picture.png").read_bytes()
