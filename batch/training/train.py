"""The way from data sets to the folder of a model that sees the digit: the teaching notebook's network."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from batch.errors import ConfigError
from batch.inference import model_store
from batch.inference.classifier import Classifier, build
from batch.inference.runtimes import load_keras
from batch.records import CLASSES_OF, SPECS, Input, Manifest
from batch.training import calibration, examples, litert, model_card, model_writer, networks, versions
from batch.training.data import own_scans
from batch.training.data.datasets import Dataset, Labelled
from batch.training.data.own_scans import OwnScan
from batch.training.evaluation import charts, compare
from batch.training.examples import Examples
from batch.training.progress import Progress
from batch.training.recipe import Recipe, fit
from batch.training.split import Split, split

# A training that goes on from a trained model is short, and takes small steps.
FINE_TUNING_RATE_SHARE = 0.2  # of the network's learning rate
FINE_TUNING_EPOCHS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """The options of `digitbox train --network mlp`; None takes the network's own setting.

    Attributes:
        name: Name of the new model.
        models_dir: Folder of models to write to.
        epochs: Number of epochs.
        batch_size: Examples in a step.
        learning_rate: The learning rate.
        output: `softmax` or `sigmoid`.
        seed: Seed of every random choice but the split.
        overwrite: Whether a model of the same name is replaced.
        start: Folder of a model of the same network to go on from.
        own: The user's scans with their labels, 0 to 9 or `NOT_A_DIGIT`.
    """

    name: str
    models_dir: Path
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    output: str
    seed: int
    overwrite: bool
    start: Path | None
    own: Sequence[OwnScan]


def train(options: TrainOptions, data: Sequence[Dataset], progress: Progress) -> Path:
    """Train the network, calibrate it on held-out digits, test it, and write its folder.

    Args:
        options: How to train and where to write it.
        data: Data sets to train on. Their test images are only tested on.
        progress: Receives lines of progress.

    Returns:
        The model's folder.

    Raises:
        ConfigError: The name is taken, or the options do not go together.
        ModelError: The folder cannot be written.
    """
    model_writer.check_target(options.models_dir, options.name, options.overwrite)
    keras.utils.set_random_seed(options.seed)
    images = split(data, options.own, progress)
    held_out = examples.prepare(images.held_out.pairs())
    training = examples.prepare([*images.training.pairs(), *images.own_training])
    model = _start_model(options)
    history = fit(model, _recipe(options), training, held_out, progress)
    progress("exporting to LiteRT")
    files = {
        model_store.KERAS_FILE: litert.keras_bytes(model),
        model_store.TFLITE_FILE: litert.tflite_bytes(model, held_out.digits),
    }
    manifest = Manifest(
        name=options.name,
        version=model_writer.version_of(options.name, files),
        network="mlp",
        classes=CLASSES_OF[Input.DIGIT],
        output=options.output,
        preprocess=SPECS[Input.DIGIT],
        temperature=1.0,
        review_below=0.5,
        files=model_writer.digests(files),
        datasets=_describe(data, images.own_training),
        seed=options.seed,
        start="" if options.start is None else model_store.load_manifest(options.start).version,
        versions=versions.made_with(),
    )
    classifier = build(files, manifest)
    manifest = calibration.calibrated(classifier, manifest, held_out)
    figures = _figures(classifier, manifest, held_out, images, data)
    manifest = dataclasses.replace(manifest, metrics=figures)
    for name, figure in figures.items():
        progress(f"{name}: {model_card.sentence(figure)}")
    files["card.md"] = model_card.text(manifest).encode()
    files["history.json"] = (json.dumps(history, indent=1) + "\n").encode()
    curves = io.BytesIO()
    charts.curves(history, curves)
    files["curves.png"] = curves.getvalue()
    return model_writer.save(options.models_dir, manifest, files, options.overwrite)


def _recipe(options: TrainOptions) -> Recipe:
    """Complete the options with the network's own settings."""
    is_new = options.start is None
    rate = networks.LEARNING_RATE * (1 if is_new else FINE_TUNING_RATE_SHARE)
    return Recipe(
        epochs=options.epochs or (networks.EPOCHS if is_new else FINE_TUNING_EPOCHS),
        batch_size=options.batch_size or networks.BATCH_SIZE,
        learning_rate=options.learning_rate or rate,
        output=options.output,
    )


def _figures(
    classifier: Classifier,
    manifest: Manifest,
    held_out: Examples,
    images: Split,
    data: Sequence[Dataset],
) -> dict[str, dict[str, float | int]]:
    """Test the classifier that ships on all digits that it was not trained on, and return figures by name."""

    def test(scans: Sequence[OwnScan]) -> dict[str, float | int]:
        return calibration.figures(classifier, manifest, examples.prepare(scans), len(scans))

    figures = {"held out": calibration.figures(classifier, manifest, held_out, len(images.held_out))}
    if images.own_held_out:
        figures[compare.OWN] = test(images.own_held_out)
    for part in data:
        if part.test is None:
            continue
        for suffix, tested in (("", part.test.images), (", inverted", 255 - part.test.images)):
            labelled = Labelled(tested, part.test.labels).take(part.test.are_digits)
            if len(labelled):
                figures[f"{part.name} test{suffix}"] = test(labelled.pairs())
    return figures


def _describe(data: Sequence[Dataset], own: Sequence[OwnScan]) -> tuple[dict[str, str], ...]:
    """Return the entries of the manifest for all that the model was trained on."""
    entries = [{"name": part.name, "licence": part.licence} for part in data]
    return tuple([*entries, own_scans.entry(own)] if own else entries)


def _start_model(options: TrainOptions) -> Any:
    """Build a new model, or load the one to go on from."""
    if options.start is None:
        return networks.mlp()
    manifest = model_store.load_manifest(options.start)
    if (manifest.network, manifest.output) != ("mlp", options.output):
        raise ConfigError(
            f"--from {options.start} is a {manifest.network} with {manifest.output} output: give the same"
        )
    content = model_store.read_verified(options.start, manifest, model_store.KERAS_FILE)
    return load_keras(content, f"the model {manifest.name}")
