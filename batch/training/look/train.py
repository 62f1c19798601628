"""The training of the looks: from packed data sets to the networks' files, with checkpoints on the way."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from batch.errors import ConfigError
from batch.storage import durable
from batch.training import litert
from batch.training.look import convert, evaluate, model_folder, weigh
from batch.training.look.augment import augment
from batch.training.look.farm import Farm, seed_of
from batch.training.look.members import Member
from batch.training.look.mixture import SEVERAL
from batch.training.look.networks import scaled
from batch.training.look.packing import DataPaths, pack
from batch.training.look.pool import Pool
from batch.training.look.records import RecordMaker
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Packed, Sources, load

_log = logging.getLogger(__name__)

TEACHER, STUDENT = "close", "look"  # in the order in which they take a step
DISTIL_FROM = 0.12  # part of the training after which the teacher knows more than the student
FIRST_BATCHES = 8  # that the pool holds before the first step
HELD_OUT_SEED = 900_001  # of the held-out scenes
CALIBRATION_WORKER = 999  # its seed is none of the workers'
REPORT_SECONDS = 15.0  # between two lines of progress
SOURCES_FILE, OPTIONS_FILE, CHECKPOINT_FILE = "sources.npz", "options.json", "checkpoint.npz"
HELD_OUT_FILE, LOG_FILE = "held_out.npz", "log.jsonl"
NAME = "cnn"  # of the model, and of its folder in that of the training


@dataclass(frozen=True)
class Options:
    """What makes a training what it is; one that goes on has the same.

    Attributes:
        images: Pictures that the networks see, all steps together.
        batch: Pictures in a step.
        fresh: Scenes rendered for each picture seen.
        workers: Processes that render.
        held_out: Held-out scenes for the figures of each network.
        scenes: Held-out scenes for the model's weights and thresholds.
        seed: Seed of weights, scenes and order.
        checkpoint_seconds: Time between two checkpoints.
    """

    images: int
    batch: int = 256
    fresh: float = 0.5
    workers: int = 1
    held_out: int = 20_000
    scenes: int = weigh.SCENES
    seed: int = 1
    checkpoint_seconds: float = 180.0

    @property
    def steps(self) -> int:
        """The number of steps."""
        return max(1, self.images // self.batch)

    @property
    def chunk(self) -> int:
        """The scenes that are rendered for a step."""
        return max(1, round(self.batch * self.fresh))


def train(paths: DataPaths, folder: Path, options: Options, say: Callable[[str], None]) -> Path:
    """Train both networks and write their model, or go on where a training in this folder was stopped.

    The smaller one also learns the logits of the larger one, after a while.

    Args:
        paths: The data sets.
        folder: Folder for all files; digitbox makes it.
        options: Options of the training.
        say: Gets lines of progress.

    Returns:
        The folder of the model.

    Raises:
        ConfigError: The folder holds a training with other options.
        InputError: A data set is missing or is not what it should be.
    """
    durable.make_folder(folder)
    _check_options(folder / OPTIONS_FILE, paths, options)
    packed = _packed(paths, folder / SOURCES_FILE, say)
    keras.utils.set_random_seed(options.seed)  # of the first weights
    members = [Member(name) for name in (TEACHER, STUDENT)]
    run = _Run(folder, options, members, say)
    run.go_on()
    files = _write_networks(run, packed, say)
    say("fitting weights and thresholds")
    training = (
        f"`batch.training.look` trained them with seed {options.seed}, on {run.steps_taken * options.batch:,}"
        f" pictures of {run.rendered:,} rendered scenes, in {run.starts} starts. The look also learnt from"
        " the larger network. What is held out is the same in each training, see docs/training.md."
    )
    return model_folder.write(folder / NAME, files, packed, options.seed, training, options.scenes)


def _check_options(file: Path, paths: DataPaths, options: Options) -> None:
    """Keep the options beside the training, or check that they are the same."""
    # How often it is saved, and by how many processes scenes are made, may change.
    free = {"workers", "checkpoint_seconds"}
    content = {name: value for name, value in dataclasses.asdict(options).items() if name not in free}
    content["data"] = {name: str(path) for name, path in dataclasses.asdict(paths).items() if path}
    if not file.exists():
        durable.replace(file, (json.dumps(content, indent=2) + "\n").encode())
    elif json.loads(file.read_text(encoding="utf-8")) != content:
        raise ConfigError(f"{file.parent} holds a training with other options; name another folder")


def _packed(paths: DataPaths, file: Path, say: Callable[[str], None]) -> Packed:
    if not file.exists():
        say("packing the data sets")
        durable.replace(file, _npz_bytes(pack(paths), compress=True))
    return load(file)


def _npz_bytes(arrays: dict[str, npt.NDArray[Any]], compress: bool = False) -> bytes:
    content = io.BytesIO()
    write = np.savez_compressed if compress else np.savez
    write(content, allow_pickle=False, **arrays)
    return content.getvalue()


class _Run:
    """The steps of a training, and its checkpoint."""

    def __init__(self, folder: Path, options: Options, members: list[Member], say: Callable[[str], None]):
        self.folder, self.options, self.members, self.say = folder, options, members, say
        self.steps_taken, self.starts, self.rendered = 0, 0, 0
        self._checkpoint = folder / CHECKPOINT_FILE
        if self._checkpoint.exists():
            state = load(self._checkpoint)
            self.steps_taken, self.starts, self.rendered = state["progress"].tolist()
            for member in members:
                member.restore(state)
            say(f"going on after {self.steps_taken * options.batch} images")

    def go_on(self) -> None:
        """Take the steps that are missing."""
        if self.steps_taken >= self.options.steps:
            return
        self.starts += 1
        self._save()  # a start that is killed early still has used up its scenes
        farm = Farm(
            self.folder / SOURCES_FILE,
            self.options.seed,
            self.starts,
            self.options.workers,
            self.options.chunk,
        )
        try:
            self._take_steps(farm)
        finally:
            farm.close()
        self._save()

    def _take_steps(self, farm: Farm) -> None:
        options, pool = self.options, Pool()
        while len(pool) < FIRST_BATCHES * options.batch:
            self._add(pool, farm)
        saved = reported = time.monotonic()
        while self.steps_taken < options.steps:
            self._add(pool, farm)
            loss = self._take_step(pool)
            self.steps_taken += 1
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS or self.steps_taken == options.steps:
                reported = now
                self._report(float(loss))
            if now - saved >= options.checkpoint_seconds:
                self._save()
                saved = time.monotonic()

    def _add(self, pool: Pool, farm: Farm) -> None:
        records = farm.take()
        pool.add(records)
        self.rendered += len(records)

    def _take_step(self, pool: Pool) -> Any:
        options, part = self.options, self.steps_taken / self.options.steps
        records = pool.draw(
            options.batch, np.random.default_rng((options.seed, self.starts, self.steps_taken))
        )
        pictures, boxes = augment(
            tf.constant(scaled(records["picture"])),
            tf.constant(records["box"]),
            tf.constant([options.seed, self.steps_taken], tf.int32),
        )
        labels, soft, loss = tf.constant(records["label"].astype(np.int32)), None, None
        for member in self.members:
            logits, loss = member.step(pictures, labels, boxes, soft, self.steps_taken, part)
            if member.name == TEACHER and part >= DISTIL_FROM:
                soft = logits
        return loss

    def _report(self, loss: float) -> None:
        images, rendered = self.steps_taken * self.options.batch, self.rendered
        line = {"images": images, "rendered": rendered, "start": self.starts, "loss": round(loss, 4)}
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.say(f"{images} of {self.options.steps * self.options.batch} images, loss {loss:.3f}")

    def _save(self) -> None:
        state: dict[str, npt.NDArray[Any]] = {
            "progress": np.array([self.steps_taken, self.starts, self.rendered], np.int64)
        }
        for member in self.members:
            state |= member.state()
        durable.replace(self._checkpoint, _npz_bytes(state))


def held_out_scenes(packed: Packed, count: int, file: Path) -> Packed:
    """Render the held-out scenes, or take them from the file: writers and conditions that no training sees.

    Returns:
        Arrays by name: `records` as `records.RECORD` and `kinds`, each (count,).
    """
    if not file.exists():
        records, kinds = RecordMaker(Renderer(Sources(packed, held_out=True), HELD_OUT_SEED)).make(count)
        durable.replace(file, _npz_bytes({"records": records, "kinds": np.array(kinds)}))
    return load(file)


def _write_networks(run: _Run, packed: Packed, say: Callable[[str], None]) -> dict[str, bytes]:
    """Write the figures of each network, and return the content of the Keras and LiteRT files by name."""
    options = run.options
    say(f"rendering {options.held_out} held-out scenes")
    scenes = held_out_scenes(packed, options.held_out, run.folder / HELD_OUT_FILE)["records"]
    seed = seed_of(options.seed, 0, CALIBRATION_WORKER)
    ranges, _ = RecordMaker(Renderer(Sources(packed), seed)).make(convert.CALIBRATION)
    numbers = evaluate.numbers(Sources(packed, held_out=True))
    files = {}
    for member in run.members:
        model = convert.fold(member.averaged(), member.network)
        int8 = convert.int8_bytes(model, ranges["picture"])
        files[model_folder.KERAS_FILES[member.name]] = litert.keras_bytes(model)
        files[model_folder.LITERT_FILES[member.name]] = int8
        logits, places = convert.litert_outputs(int8, scenes["picture"])
        temperature, thresholds = evaluate.fit(logits, scenes["label"])
        same = logits.argmax(axis=1) == convert.keras_outputs(model, scenes["picture"])[0].argmax(axis=1)
        off = np.abs(places[:, :2] - scenes["box"][:, :2])[~np.isnan(scenes["box"][:, 0])]
        content = {
            "temperature": temperature,
            "thresholds": thresholds,
            "held_out": evaluate.figures(logits, scenes["label"], temperature, thresholds)
            | {"same_class_in_float": int(same.sum()), "place_error": round(float(off.mean()), 5)},
            "numbers": {
                layout: evaluate.figures(
                    convert.litert_outputs(int8, pictures)[0],
                    np.full(len(pictures), SEVERAL, np.uint8),
                    temperature,
                    thresholds,
                )
                for layout, pictures in numbers.items()
            },
            "training": {
                **dataclasses.asdict(options),
                "images": run.steps_taken * options.batch,
                "rendered": run.rendered,
                "starts": run.starts,
                "python": platform.python_version(),
            },
        }
        file = run.folder / f"{member.name}.json"
        durable.replace(file, (json.dumps(content, indent=2) + "\n").encode())
        say(f"wrote {file}")
    return files
