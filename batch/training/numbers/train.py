"""The training of the reader of numbers, with checkpoints on the way."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from batch.errors import ConfigError
from batch.storage import durable
from batch.training.look.sources import load
from batch.training.numbers import networks
from batch.training.numbers.mixture import FRAME_PX
from batch.training.numbers.networks import BLANK
from batch.training.numbers.records import NO_LABEL, Farm, Pool, Records

PEAK_RATE, LOWEST_RATE = 6e-4, 0.01  # of AdamW; the lowest as a share of the peak
WARM_UP, HOLD_UNTIL = 0.02, 0.4  # parts of the training; then the rate falls along a cosine
WEIGHT_DECAY, CLIP_NORM = 0.02, 4.0
AVERAGE_DECAY, AVERAGE_DELAY = 0.998, 20  # of the averaged weights (Polyak and Juditsky 1992)
PLACED_UNTIL = 0.06  # part of the training in which the loss knows where the characters are
PLACED_WEIGHT = 1.0
FIRST_FIELDS = 3_000  # in the pool before the first step
CHUNK_FIELDS = 64  # that a worker renders at a time
REPORT_SECONDS = 20.0
OPTIONS_FILE, CHECKPOINT_FILE, LOG_FILE = "options.json", "checkpoint.npz", "log.jsonl"
MODEL_FILE = "numbers.keras"


@dataclass(frozen=True)
class Options:
    """What makes a training what it is; one that goes on has the same.

    Attributes:
        minutes: Duration; the learning rate falls with it. How much is learned depends on the machine.
        columns: Columns of the strips of one step, all together.
        repeats: How often each field is seen, at most, on average.
        workers: Processes that render.
        seed: Seed of weights, fields and order.
        checkpoint_seconds: Time between two checkpoints.
    """

    minutes: float
    columns: int = 5_760
    repeats: float = 3.0
    workers: int = 1
    seed: int = 1
    checkpoint_seconds: float = 180.0


class Trained(NamedTuple):
    """A trained network.

    Attributes:
        model: The Keras model.
        fields: Fields that it saw.
        rendered: Different ones among them.
    """

    model: Any
    fields: int
    rendered: int


def train(packed: Path, folder: Path, options: Options, say: Callable[[str], None]) -> Trained:
    """Train the network and write it, or go on where a training in this folder was stopped.

    Args:
        packed: File of the packed data sets, see `batch.training.look.packing`.
        folder: Folder for all files; digitbox makes it.
        options: Options of the training.
        say: Gets lines of progress.

    Returns:
        The network, and how much it saw.

    Raises:
        ConfigError: The folder holds a training with other options.
    """
    durable.make_folder(folder)
    _check_options(folder / OPTIONS_FILE, options)
    keras.utils.set_random_seed(options.seed)
    model = networks.build()
    run = _Run(folder, options, model, say)
    run.go_on(packed)
    averaged = run.averaged()
    part = folder / f".part.{MODEL_FILE}"
    averaged.save(part)
    durable.replace(folder / MODEL_FILE, part.read_bytes())
    part.unlink()
    return Trained(averaged, run.fields, run.rendered)


def _check_options(file: Path, options: Options) -> None:
    free = {"workers", "checkpoint_seconds"}
    content = {name: value for name, value in dataclasses.asdict(options).items() if name not in free}
    if not file.exists():
        durable.replace(file, (json.dumps(content, indent=2) + "\n").encode())
    elif json.loads(file.read_text(encoding="utf-8")) != content:
        raise ConfigError(f"{file.parent} holds a training with other options; name another folder")


def rate_at(part: float) -> float:
    """Return the learning rate as a share of the peak rate, for a part of the training from 0 to 1."""
    if part < WARM_UP:
        return max(0.05, part / WARM_UP)
    if part < HOLD_UNTIL:
        return 1.0
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, (part - HOLD_UNTIL) / (1 - HOLD_UNTIL))))
    return LOWEST_RATE + (1 - LOWEST_RATE) * fall


class _Run:
    """The steps of a training, and its checkpoint."""

    def __init__(self, folder: Path, options: Options, model: Any, say: Callable[[str], None]):
        self.folder, self.options, self.model, self.say = folder, options, model, say
        self.steps, self.starts, self.fields, self.rendered, self.seconds = 0, 0, 0, 0, 0.0
        self._optimizer = keras.optimizers.AdamW(
            PEAK_RATE, weight_decay=WEIGHT_DECAY, global_clipnorm=CLIP_NORM
        )
        plain = [weight for weight in model.trainable_variables if len(weight.shape) < 2]
        self._optimizer.exclude_from_weight_decay(var_list=plain)
        self._optimizer.build(model.trainable_variables)
        self._averages = [tf.Variable(weight, trainable=False) for weight in model.get_weights()]
        self._step = tf.function(
            self._take_step,
            input_signature=[
                tf.TensorSpec((None, None, None, 1), tf.float32),
                tf.SparseTensorSpec((None, None), tf.int32),
                tf.TensorSpec((None,), tf.bool),
                tf.TensorSpec((None, None), tf.int32),
                tf.TensorSpec((), tf.float32),
                tf.TensorSpec((), tf.float32),
            ],
        )
        self._checkpoint = folder / CHECKPOINT_FILE
        if self._checkpoint.exists():
            self._restore(load(self._checkpoint))
            say(f"going on after {self.fields} fields")

    @property
    def part(self) -> float:
        """The part of the training that is done."""
        return min(1.0, self.seconds / (60 * self.options.minutes))

    def go_on(self, packed: Path) -> None:
        """Take the steps that are missing."""
        if self.part >= 1:
            return
        self.starts += 1
        self._save()  # a start that is killed early still has used up its fields
        farm = Farm(packed, self.options.seed, self.starts, self.options.workers, CHUNK_FIELDS)
        try:
            self._take_steps(farm)
        finally:
            farm.close()
        self._save()

    def _take_steps(self, farm: Farm) -> None:
        pool, rng = Pool(), np.random.default_rng((self.options.seed, self.starts))
        here, seen = 0, 0  # rendered and seen since this start
        saved = reported = last = time.monotonic()
        losses: list[float] = []
        while self.part < 1:
            while (
                records := farm.take_fields(wait=here < max(FIRST_FIELDS, seen / self.options.repeats))
            ) is not None:
                pool.add(records)
                here += sum(len(some.labels) for some in records.values())
            batch = pool.draw(self.options.columns, rng)
            losses.append(self._learn(batch))
            self.steps += 1
            self.fields += len(batch.labels)
            seen += len(batch.labels)
            now = time.monotonic()
            self.seconds += now - last
            last = now
            if now - reported >= REPORT_SECONDS:
                reported = now
                self._report(float(np.mean(losses)), here)
                losses.clear()
            if now - saved >= self.options.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        self.rendered += here

    def _learn(self, batch: Records) -> float:
        # TensorFlow's CTC refuses a field without characters: it gets a 0, and `_take_step` another loss.
        empty = batch.labels[:, 0] == NO_LABEL
        filled = batch.labels.copy()
        filled[empty, 0] = 0
        written = filled != NO_LABEL
        labels = tf.SparseTensor(
            np.argwhere(written).astype(np.int64), filled[written].astype(np.int32), filled.shape
        )
        frames = np.full((len(batch.labels), batch.pictures.shape[2] // FRAME_PX), BLANK, np.int32)
        for row, column in np.argwhere(batch.frames >= 0):
            frames[row, batch.frames[row, column]] = batch.labels[row, column]
        # A field whose places are not known teaches no frame.
        unknown = (batch.frames[:, 0] < 0) & (batch.labels[:, 0] != NO_LABEL)
        frames[unknown] = -1
        self._optimizer.learning_rate = PEAK_RATE * rate_at(self.part)
        decay = min(AVERAGE_DECAY, (self.steps + 1) / (self.steps + 1 + AVERAGE_DELAY))
        placed = PLACED_WEIGHT if self.part < PLACED_UNTIL else 0.0
        loss = self._step(
            tf.constant(networks.scaled(batch.pictures)),
            labels,
            tf.constant(empty),
            tf.constant(frames),
            tf.constant(decay, tf.float32),
            tf.constant(placed, tf.float32),
        )
        return float(loss)

    def _take_step(self, pictures: Any, labels: Any, empty: Any, frames: Any, decay: Any, placed: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = self.model(pictures, training=True)
            lengths = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
            read = tf.nn.ctc_loss(labels, logits, None, lengths, logits_time_major=False, blank_index=BLANK)
            blank = -tf.reduce_sum(tf.nn.log_softmax(logits)[:, :, BLANK], 1)
            ctc = tf.reduce_mean(tf.where(empty, blank, read))
            known = tf.cast(frames >= 0, tf.float32)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(frames, 0), logits)
            # A character has one frame among many blanks; it counts as much as eight of them.
            weight = known * tf.where(frames == BLANK, 1.0, 8.0)
            frame_loss = tf.reduce_sum(each * weight) / tf.maximum(tf.reduce_sum(weight), 1.0)
            loss = ctc * (1 - 0.5 * placed) + 20.0 * placed * frame_loss
        weights = self.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        for average, weight in zip(self._averages, self.model.weights, strict=True):
            average.assign(decay * average + (1 - decay) * weight.value)
        return ctc

    def averaged(self) -> Any:
        """Return a Keras model with the averaged weights."""
        model = networks.build()
        model.set_weights([average.numpy() for average in self._averages])
        return model

    def _report(self, loss: float, here: int) -> None:
        line = {
            "minutes": round(self.seconds / 60, 2),
            "fields": self.fields,
            "rendered": self.rendered + here,
            "start": self.starts,
            "loss": round(loss, 4),
        }
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.say(json.dumps(line))

    def _save(self) -> None:
        state = {"progress": np.array([self.steps, self.starts, self.fields, self.rendered, self.seconds])}
        for name, arrays in self._arrays().items():
            state |= {f"{name}/{index}": array for index, array in enumerate(arrays)}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **state)
        durable.replace(self._checkpoint, content.getvalue())

    def _arrays(self) -> dict[str, list[npt.NDArray[Any]]]:
        return {
            "weights": self.model.get_weights(),
            "averages": [average.numpy() for average in self._averages],
            "optimizer": [np.asarray(variable) for variable in self._optimizer.variables],
        }

    def _restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        steps, starts, fields, rendered, self.seconds = state["progress"].tolist()
        self.steps, self.starts, self.fields, self.rendered = (
            int(steps),
            int(starts),
            int(fields),
            int(rendered),
        )
        self.model.set_weights([state[f"weights/{index}"] for index in range(len(self.model.weights))])
        for index, average in enumerate(self._averages):
            average.assign(state[f"averages/{index}"])
        for index, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"optimizer/{index}"])
