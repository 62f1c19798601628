"""The training of the network that sees the place of the digit.

It starts from the network of the model, and learns from scenes of which the looks before are not sure. What
they say is part of its answer (Friedman, "Greedy function approximation", 2001), so it learns what they lack.
At last, its weights go half of the way back to those at the start. So it stays better on scans unlike the
scenes (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from batch.inference import model_store
from batch.inference.look_networks import PLACE, names, scaled
from batch.inference.model_store import PLACE_FILE
from batch.inference.runtimes import load_keras
from batch.records import Manifest
from batch.storage import durable
from batch.training import model_card, model_writer, work_folder
from batch.training.farm import CALIBRATION_WORKER, Farm, seed_of
from batch.training.learner import Learner, Schedule
from batch.training.look import convert, weigh
from batch.training.look.augment import augment
from batch.training.look.model_folder import KERAS_FILES
from batch.training.look.networks import NETWORKS
from batch.training.look.pooled_loop import PooledLoop, PooledOptions
from batch.training.look.unsure import EXAMPLE, render
from batch.training.progress import Progress

NAME = "place"
SCHEDULE = Schedule(
    peak_rate=NETWORKS[NAME].peak_rate,
    first=0.02,
    warm_up=0.03,
    hold_until=0.45,
    lowest=0.002,
    weight_decay=0.01,
    clip_norm=2.0,
    average_decay=0.999,
)
WAY = 0.5  # part of the way from the weights at the start to the trained ones; see docs/training.md
MIN_WEIGHT = 0.1  # of the network's logits; with none it would learn nothing


@dataclass(frozen=True)
class Options(PooledOptions):
    """What makes the training what it is.

    Attributes:
        places: Pictures that the network sees, all steps together.
    """

    places: int


def make(sources: Path, out: Path, model_dir: Path, options: Options, say: Progress) -> None:
    """Train the network, put it into a model folder, and fit the weights and thresholds of that.

    A folder that has the network of this training already stays as it is.

    Args:
        sources: File of the packed data sets, see `batch.training.look.packing`.
        out: Folder for the checkpoint and the log; digitbox makes it.
        model_dir: Folder of a model with looks, whose manifest and card change, too.
        options: Options of the training.
        say: Gets lines of progress.

    Raises:
        ConfigError: `out` holds a training with other options.
        ModelError: The model folder is damaged, or cannot be written.
    """
    work_folder.keep_options(out, dataclasses.asdict(options))
    manifest = model_store.load_manifest(model_dir)
    finished = out / PLACE_FILE
    if finished.exists() and manifest.files[PLACE_FILE] == model_store.digest(finished.read_bytes()):
        return
    keras.utils.set_random_seed(options.seed)
    run = _Run(sources, out, model_dir, manifest, options, say)
    run.go_on()
    say("fitting weights and thresholds")
    packed = work_folder.load(sources)
    seed = seed_of(options.seed, 0, CALIBRATION_WORKER)
    ranges = np.frombuffer(next(render(model_dir, sources, seed, convert.CALIBRATION)), EXAMPLE)
    new = convert.files_of(NAME, run.trained(), ranges["picture"])
    durable.replace(finished, new[PLACE_FILE])
    files = {name: model_store.read_verified(model_dir, manifest, name) for name in names("litert")} | new
    manifest = dataclasses.replace(
        manifest,
        version=model_writer.version_of(manifest.name, files),
        files={**manifest.files, **model_writer.digests(new)},
        look_training=f"{manifest.look_training} That for the place of the digit saw {run.seen:,} pictures of"
        f" {run.rendered:,} scenes that the looks before left unsure, in {run.starts} starts. It began with"
        " the weights of the larger one, and went half of the way back to them.",
    )
    # The rules for the looks before come out the same: they are fitted on the same scenes.
    manifest = weigh.fitted(manifest, files, packed, options.scenes)
    card = model_card.text(manifest).encode()
    model_writer.add_files(model_dir, manifest, new | {"card.md": card})


class _Learner(Learner):
    """The network in training; it learns from the sum of what the looks before say and what it says."""

    def __init__(self, model: Any, weight: float) -> None:
        super().__init__(NAME, model, SCHEDULE)
        self._weight = weight
        self._step = tf.function(self._take_step, reduce_retracing=True)

    def step(self, examples: npt.NDArray[Any], seed: Any, steps: int, part: float) -> float:
        """Take one step with examples, (n,), and return the loss; see `Learner.begin_step`."""
        self.begin_step(steps, part)
        pictures, _ = augment(
            tf.constant(scaled(examples["picture"][..., None])), tf.zeros((len(examples), PLACE)), seed
        )
        labels = tf.constant(examples["label"].astype(np.int32))
        return float(self._step(pictures, labels, tf.constant(examples["before"])))

    def _take_step(self, pictures: Any, labels: Any, before: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = before + self._weight * self.model(pictures, training=True)["logits"]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        self.learn(tape, loss)
        return loss


class _Run(PooledLoop):
    """The steps of the network."""

    def __init__(
        self, sources: Path, out: Path, model_dir: Path, manifest: Manifest, options: Options, say: Progress
    ) -> None:
        file = KERAS_FILES[NAME]
        model = load_keras(model_store.read_verified(model_dir, manifest, file), file)
        self._start = model.get_weights()
        self._learner = _Learner(model, max(MIN_WEIGHT, manifest.look_weights[-1][-1]))
        make = partial(render, model_dir)
        super().__init__(out, [self._learner], options.places, "places", options, sources, make, EXAMPLE, say)

    def trained(self) -> Any:
        """Return the Keras model with weights on the way from those at the start to the trained ones."""
        model = self._learner.averaged()
        pairs = zip(self._start, model.get_weights(), strict=True)
        model.set_weights([before + WAY * (after - before) for before, after in pairs])
        return model

    def take_step(self, farm: Farm) -> float:
        batch = self.draw(farm)
        seed = tf.constant([self._options.seed, self.steps], tf.int32)
        loss = self._learner.step(batch, seed, self.steps, self.part)
        self.seen += len(batch)
        return loss
