"""The training of the reader of numbers, with checkpoints on the way."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from batch.inference.look_networks import scaled
from batch.training import work_folder
from batch.training.farm import Farm
from batch.training.learner import Learner, Schedule
from batch.training.loop import Loop
from batch.training.numbers import networks, records
from batch.training.numbers.mixture import FRAME_PX
from batch.training.numbers.networks import BLANK
from batch.training.numbers.records import NO_LABEL, Pool, Records
from batch.training.progress import Progress

SCHEDULE = Schedule(
    peak_rate=6e-4,
    first=0.05,
    warm_up=0.02,
    hold_until=0.4,
    lowest=0.01,
    weight_decay=0.02,
    clip_norm=4.0,
    average_decay=0.998,
)
PLACED_UNTIL = 0.06  # part of the training in which the loss knows where the characters are
FIRST_FIELDS = 3_000  # in the pool before the first step
CHUNK_FIELDS = 64  # that a worker renders at a time
COLUMNS = 5_760  # of the strips of one step, all together
REPEATS = 1.3  # how often each field is seen, on average


@dataclass(frozen=True)
class Options:
    """What makes a training what it is; one that goes on has the same.

    Attributes:
        fields: Fields that the network sees, all steps together.
        workers: Processes that render.
        seed: Seed of weights, fields and order.
        checkpoint_seconds: Time between two checkpoints.
    """

    fields: int
    workers: int
    seed: int
    checkpoint_seconds: float


class Reader(Learner):
    """The reader of numbers in training."""

    def __init__(self) -> None:
        super().__init__("numbers", networks.build(), SCHEDULE)
        self._step = tf.function(
            self._take_step,
            input_signature=[
                tf.TensorSpec((None, None, None, 1), tf.float32),
                tf.SparseTensorSpec((None, None), tf.int32),
                tf.TensorSpec((None,), tf.bool),
                tf.TensorSpec((None, None), tf.int32),
                tf.TensorSpec((), tf.float32),
            ],
        )

    def step(self, batch: Records, steps: int, part: float) -> float:
        """Take one step.

        Args:
            batch: Fields of one width.
            steps: Number of steps before this one.
            part: Part of the training that is done, 0 to 1.

        Returns:
            The loss.
        """
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
        frames[(batch.frames[:, 0] < 0) & ~empty] = -1
        self.begin_step(steps, part)
        loss = self._step(
            tf.constant(scaled(batch.pictures[..., None])),
            labels,
            tf.constant(empty),
            tf.constant(frames),
            tf.constant(1.0 if part < PLACED_UNTIL else 0.0, tf.float32),
        )
        return float(loss)

    def _take_step(self, pictures: Any, labels: Any, empty: Any, frames: Any, placed: Any) -> Any:
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
        self.learn(tape, loss)
        return ctc


class Training(Loop):
    """The steps of the reader of numbers.

    Attributes:
        reader: The network in training.
    """

    def __init__(self, sources: Path, folder: Path, options: Options, say: Progress) -> None:
        self.reader = Reader()
        super().__init__(folder, [self.reader], options.fields, "fields", options.checkpoint_seconds, say)
        self._options, self._sources, self._pool = options, sources, Pool()
        self._here = self._seen_here = 0  # fields since this start: rendered, and seen

    def open_farm(self) -> Farm:
        """Start the processes that render."""
        options = self._options
        return Farm(records.render, self._sources, options.seed, self.starts, options.workers, CHUNK_FIELDS)

    def fill(self, farm: Farm) -> None:
        """Render what the next step needs."""
        first = min(FIRST_FIELDS, self._options.fields)
        while self._here < max(first, self._seen_here / REPEATS):
            fields = records.received(farm.receive())
            self._pool.add(fields)
            count = sum(len(of_width.labels) for of_width in fields.values())
            self._here += count
            self.rendered += count

    def take_step(self, farm: Farm) -> float:
        """Let the network learn from a batch; see `Loop`."""
        self.fill(farm)
        rng = np.random.default_rng((self._options.seed, self.starts, self.steps))
        batch = self._pool.draw(COLUMNS, rng)
        loss = self.reader.step(batch, self.steps, self.part)
        self.seen += len(batch.labels)
        self._seen_here += len(batch.labels)
        return loss


def train(sources: Path, folder: Path, options: Options, say: Progress) -> Training:
    """Train the network, or go on where a training in this folder was stopped.

    Args:
        sources: File of the packed data sets, see `batch.training.look.packing`.
        folder: Folder for all files; digitbox makes it.
        options: Options of the training.
        say: Gets lines of progress.

    Returns:
        The training, which has the network.

    Raises:
        ConfigError: The folder holds a training with other options.
    """
    work_folder.keep_options(folder, dataclasses.asdict(options))
    keras.utils.set_random_seed(options.seed)
    run = Training(sources, folder, options, say)
    run.go_on()
    return run
