"""Training: from data sets to a model folder."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.inference import model_store
from batch.inference.classifier import Classifier, KerasClassifier, LiteRtClassifier, build
from batch.records import Manifest
from batch.training import calibration, examples, litert, model_card, prior
from batch.training.data import own_scans
from batch.training.data.datasets import NOT_A_DIGIT, Dataset, Labelled, joined
from batch.training.data.own_scans import OwnScan
from batch.training.distil import distil
from batch.training.evaluation import charts
from batch.training.examples import AS_IS, DRAWN, RENDERED, VARIED, Examples, Material
from batch.training.networks import NETWORKS, Network

HELD_OUT_FRACTION = 1 / 12  # of the training images: for the temperature and the thresholds
# The same whatever --seed: a model that goes on from another must not know what is held out.
SPLIT_SEED = 1
# Going on from a trained model: a little, and carefully.
GOING_ON_RATE = 0.2
GOING_ON_EPOCHS = 4
GOING_ON_EXAMPLES = 20_000
KINDS = {
    AS_IS: "digits as they are",
    VARIED: "digits varied",
    RENDERED: "digits as scans",
    DRAWN: "drawn digits as scans",
}
EMA_MOMENTUM = 0.999

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What `digitbox train` was asked for; None takes the network's own setting.

    Attributes:
        start: folder of a model to go on from; its network is the one trained.
        own: the user's scans with their labels, 0 to 9 or `NOT_A_DIGIT`.
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


def train(options: TrainOptions, data: Sequence[Dataset], say: Say) -> Path:
    """Trains a network, calibrates it on digits held out, tests it, and writes its folder.

    Args:
        options: what to train and where to put it.
        data: what to train on; the test images of those that have some are only tested on.
        say: receives lines of progress.

    Returns:
        The model's folder.

    Raises:
        ConfigError: the name is taken, or the options do not go together.
        ModelError: the folder cannot be written.
    """
    network = NETWORKS[options.network]
    if options.output == "sigmoid" and network.rendered:
        raise ConfigError("--output sigmoid goes with --network mlp only")
    model_store.check_target(options.models_dir, options.name, options.overwrite)
    keras.utils.set_random_seed(options.seed)
    rng = np.random.default_rng(SPLIT_SEED)
    everything = [part.train for part in data]
    digits = [part.take(part.are_digits) for part in everything if part.are_digits.any()]
    if not digits:
        raise ConfigError("the data sets hold no digits to train on: give --data mnist as well")
    divided = [_divided(part, rng) for part in digits]
    held_out = joined([part for part, _ in divided])
    say(f"{sum(len(part) for _, part in divided)} digits to train on, {len(held_out)} held out")
    kept = joined(_balanced([part for _, part in divided]))
    others = [part.take(~part.are_digits) for part in everything if network.rendered]
    others_divided = [_divided(part, rng) for part in others if len(part)]
    own = [scan for scan in options.own if network.rendered or scan[1] != NOT_A_DIGIT]
    own_held_out, own = own_scans.split(own)
    if options.own:
        say(f"{len(own)} own scans to train on, {len(own_held_out)} held out")
    to_hold_out = Material(held_out, [part.images for part, _ in others_divided])
    count = 2 * len(held_out)
    if network.rendered:
        held_out_examples = examples.rendered(to_hold_out, network.preprocess, count, options.seed)
        in_practice = examples.in_practice(to_hold_out, network.preprocess, count, options.seed)
    else:
        held_out_examples = in_practice = examples.plain(to_hold_out, network.preprocess)
    model = _start(options, network)
    material = Material(kept, [part.images for _, part in others_divided], own)
    history = _fit(model, options, network, material, held_out_examples, say)
    student = None
    if network.rendered:
        student = distil(
            model,
            _loaded(options.start, model_store.STUDENT_KERAS_FILE),
            network,
            material,
            count=_examples(options, material),
            seed=options.seed,
            say=say,
        )
    if network.rendered:
        prior.shift_for_use(model)
        prior.shift_for_use(student)
    say("exporting to LiteRT")
    files = {
        model_store.KERAS_FILE: litert.keras_bytes(model),
        model_store.TFLITE_FLOAT_FILE: litert.tflite_bytes(model),
        model_store.TFLITE_FILE: litert.tflite_bytes(model, held_out_examples.digits),
    }
    if student is not None:
        files[model_store.STUDENT_KERAS_FILE] = litert.keras_bytes(student)
        files[model_store.STUDENT_FILE] = litert.tflite_bytes(student, held_out_examples.digits)
    manifest = Manifest(
        name=options.name,
        version=f"{options.name}-{model_store.digest(files[model_store.TFLITE_FILE])[:8]}",
        network=options.network,
        classes=model.output_shape[-1],
        output=options.output,
        preprocess=network.preprocess,
        temperature=1.0,
        review_below=0.5,
        refuse_above=calibration.REFUSE_ABOVE,
        files={},
        datasets=tuple({"name": part.name, "licence": part.licence} for part in data),
        seed=options.seed,
        start="" if options.start is None else model_store.load_manifest(options.start).version,
        versions={package: metadata.version(package) for package in ("tensorflow", "keras", "numpy")},
    )
    classifier, manifest = _calibrated(files, manifest, held_out_examples, in_practice)
    figures = _figures(classifier, manifest, held_out_examples, in_practice, own_held_out, data)
    manifest = dataclasses.replace(manifest, metrics=figures)
    for name, figure in figures.items():
        say(f"{name}: {model_card.sentence(figure)}")
    files["card.md"] = model_card.text(manifest).encode()
    files["history.json"] = (json.dumps(history, indent=1) + "\n").encode()
    files["curves.png"] = _png(lambda target: charts.curves(history, target))
    return model_store.save(options.models_dir, manifest, files, options.overwrite)


def _calibrated(
    files: Mapping[str, bytes], manifest: Manifest, held_out: Examples, in_practice: Examples
) -> tuple[Classifier, Manifest]:
    """What ships, with its temperatures and thresholds.

    Temperatures need errors to be fitted on: the mixture of training has most. The thresholds are for what
    people scan, which nobody knows: half as hard as that, half one named condition each.
    """
    model = LiteRtClassifier(files[model_store.TFLITE_FILE], manifest)
    manifest = calibration.with_temperature(model, manifest, held_out)
    if model_store.STUDENT_FILE in files:
        student = LiteRtClassifier(files[model_store.STUDENT_FILE], manifest)
        manifest = calibration.with_student(student, model, manifest, held_out)
    classifier = build(files, manifest, "litert")
    return classifier, calibration.with_thresholds(
        classifier, manifest, examples.joined([held_out, in_practice])
    )


def _figures(
    classifier: Classifier,
    manifest: Manifest,
    held_out: Examples,
    in_practice: Examples,
    own_held_out: Sequence[OwnScan],
    data: Sequence[Dataset],
) -> dict[str, dict[str, float | int]]:
    """What ships, tested on all that it was not trained on, by name."""
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


def _divided(images: Labelled, rng: np.random.Generator) -> tuple[Labelled, Labelled]:
    """What is held out, and the rest."""
    order = rng.permutation(len(images))
    count = max(1, round(len(images) * HELD_OUT_FRACTION))
    return images.take(order[:count]), images.take(order[count:])


def _balanced(sets: Sequence[Labelled]) -> list[Labelled]:
    """Repeats the smaller sets, so that each is met as often as the square root of its size says."""
    largest = max(len(part) for part in sets)
    return [part.take(np.tile(np.arange(len(part)), round((largest / len(part)) ** 0.5))) for part in sets]


def _examples(options: TrainOptions, material: Material) -> int:
    """How many rendered examples make an epoch."""
    count = len(material.digits) + len(material.own)
    return options.examples_per_epoch or (min(count, GOING_ON_EXAMPLES) if options.start else count)


def _loaded(start: Path | None, filename: str) -> Any | None:
    """A Keras model of the folder to go on from, where it has it."""
    if start is None:
        return None
    manifest = model_store.load_manifest(start)
    if filename not in manifest.files:
        return None
    model = KerasClassifier(model_store.read_verified(start, manifest, filename), manifest).model
    prior.shift_for_training(model)
    return model


def _start(options: TrainOptions, network: Network) -> Any:
    """A new model, or the one to go on from."""
    if options.start is None:
        return network.build((28, 28, network.preprocess.channels), 11 if network.rendered else 10)
    manifest = model_store.load_manifest(options.start)
    if (manifest.network, manifest.output) != (options.network, options.output):
        raise ConfigError(
            f"--from {options.start} is a {manifest.network} with {manifest.output} output: give the same"
        )
    return _loaded(options.start, model_store.KERAS_FILE)


def _fit(
    model: Any, options: TrainOptions, network: Network, material: Material, held_out: Examples, say: Say
) -> dict[str, list[float]]:
    going_on = options.start is not None
    rate = options.learning_rate or network.learning_rate * (GOING_ON_RATE if going_on else 1)
    epochs = options.epochs or (GOING_ON_EPOCHS if going_on else network.epochs)
    batch_size = options.batch_size or network.batch_size
    count = _examples(options, material) if network.rendered else len(material.digits) + len(material.own)
    steps = -(-count // batch_size)
    if network.rendered:
        schedule = keras.optimizers.schedules.CosineDecay(
            rate * 0.02,
            max(1, epochs * steps - steps // 2),
            alpha=0.005,
            warmup_target=rate,
            warmup_steps=steps // 2,
        )
        optimiser = keras.optimizers.AdamW(
            schedule, weight_decay=1e-4, use_ema=True, ema_momentum=EMA_MOMENTUM
        )
        callbacks = [keras.callbacks.SwapEMAWeights()]  # the averaged weights are the ones validated
        rounds = examples.epochs(
            material,
            network.preprocess,
            epochs=epochs,
            count=count,
            seed=options.seed,
            workers=os.cpu_count() or 1,
        )
    else:
        optimiser, callbacks = keras.optimizers.Adam(rate), []
        rounds = _once(examples.plain(material, network.preprocess))
    loss, labels = _loss(options.output, model.output_shape[-1])
    model.compile(optimiser, loss, metrics=["accuracy"])
    batches = _Batches(rounds, labels, batch_size, options.seed)
    reporter = _Reporter(epochs, say)
    try:
        model.fit(
            batches,
            epochs=epochs,
            verbose=0,
            shuffle=False,
            validation_data=(held_out.digits, labels(held_out.labels)),
            validation_batch_size=1024,
            callbacks=[*callbacks, reporter],
        )
    except KeyboardInterrupt:
        say(f"stopped in epoch {reporter.done + 1} of {epochs}: no model was written")
        raise
    finally:
        rounds.close()
    return reporter.history


def _loss(output: str, classes: int) -> tuple[Any, Callable[[npt.NDArray[np.int32]], Any]]:
    """The loss on logits, and what it wants the labels to be."""
    if output == "sigmoid":
        return keras.losses.BinaryCrossentropy(from_logits=True), lambda labels: np.eye(
            classes, dtype=np.float32
        )[labels]
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True), lambda labels: labels


def _once(same: Examples) -> Generator[Examples]:
    yield same


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of an epoch, in a new order each time."""

    def __init__(
        self, rounds: Generator[Examples], labels: Callable[..., Any], batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self._rounds, self._labels, self._batch_size = rounds, labels, batch_size
        self._rng = np.random.default_rng(seed)
        self._examples = next(rounds)
        self._order = self._rng.permutation(len(self._examples.labels))

    def on_epoch_end(self) -> None:
        self._examples = next(self._rounds, self._examples)  # what is not rendered is made once
        self._order = self._rng.permutation(len(self._examples.labels))

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        places = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return self._examples.digits[places], self._labels(self._examples.labels[places])


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Says a line an epoch and keeps the history."""

    def __init__(self, epochs: int, say: Say) -> None:
        super().__init__()
        self._epochs, self._say = epochs, say
        self.done = 0
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.done = epoch + 1
        logs = logs or {}
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        self._say(
            f"epoch {epoch + 1:3d} of {self._epochs}: loss {logs['loss']:.4f}, accuracy "
            f"{logs['accuracy']:.2%}; held out: loss {logs['val_loss']:.4f}, "
            f"accuracy {logs['val_accuracy']:.2%}"
        )


def _png(draw: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
        draw(Path(folder) / "picture.png")
        return (Path(folder) / "picture.png").read_bytes()
