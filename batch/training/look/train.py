"""The training of the looks: from packed data sets to the networks' files, with checkpoints on the way."""

from __future__ import annotations

import dataclasses
import json
import platform
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from batch.inference.look_networks import scaled
from batch.storage import durable
from batch.training import work_folder
from batch.training.farm import CALIBRATION_WORKER, Farm, seed_of
from batch.training.look import convert, evaluate, model_folder, records
from batch.training.look.augment import augment
from batch.training.look.members import Member
from batch.training.look.mixture import SEVERAL
from batch.training.look.networks import NETWORKS
from batch.training.look.pooled_loop import PooledLoop, PooledOptions
from batch.training.look.records import RECORD, RecordMaker
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Packed, Sources
from batch.training.progress import Progress

TEACHER, STUDENT = "close", "look"  # in the order in which they take a step
DISTIL_FROM = 0.12  # part of the training after which the teacher knows more than the student
HELD_OUT_SEED = 900_001  # of the held-out scenes
HELD_OUT_FILE = "held_out.npz"
NAME = "cnn"  # of the model, and of its folder in that of the training


@dataclass(frozen=True)
class Options(PooledOptions):
    """What makes the training what it is.

    Attributes:
        images: Pictures that the networks see, all steps together.
        held_out: Held-out scenes for the figures of each network.
    """

    images: int
    held_out: int


def train(sources: Path, folder: Path, options: Options, say: Progress) -> Path:
    """Train the networks for whole scans and write a model, or go on where a training here was stopped.

    The smaller one also learns the logits of the larger one, after a while. In the model, the larger one
    sees the place of the digit, too, until `batch.training.look.place` trains a network for that.

    Args:
        sources: File of the packed data sets, see `batch.training.look.packing`.
        folder: Folder for all files; digitbox makes it.
        options: Options of the training.
        say: Gets lines of progress.

    Returns:
        The folder of the model.

    Raises:
        ConfigError: The folder holds a training with other options.
    """
    work_folder.keep_options(folder, dataclasses.asdict(options))
    packed = work_folder.load(sources)
    keras.utils.set_random_seed(options.seed)  # of the first weights
    run = _Run(sources, folder, options, say)
    if run.part >= 1 and (folder / NAME).exists():  # a later stage was stopped
        return folder / NAME
    run.go_on()
    files = _write_networks(run, options, packed, say)
    say("fitting weights and thresholds")
    training = (
        f"`batch.training` trained the first two with seed {options.seed}, on {run.seen:,} pictures of"
        f" {run.rendered:,} rendered scenes, in {run.starts} starts. The look also learnt from"
        " the larger network. What is held out is the same in each training, see docs/training.md."
    )
    return model_folder.write(folder / NAME, files, packed, options.seed, training, options.scenes)


class _Run(PooledLoop):
    """The steps of both networks."""

    def __init__(self, sources: Path, folder: Path, options: Options, say: Progress) -> None:
        self.members = [Member(name) for name in (TEACHER, STUDENT)]
        super().__init__(
            folder, self.members, options.images, "images", options, sources, records.render, RECORD, say
        )

    def take_step(self, farm: Farm) -> float:
        batch = self.draw(farm)
        pictures, boxes = augment(
            tf.constant(scaled(batch["picture"][..., None])),
            tf.constant(batch["box"]),
            tf.constant([self._options.seed, self.steps], tf.int32),
        )
        labels, soft, loss = tf.constant(batch["label"].astype(np.int32)), None, None
        for member in self.members:
            logits, loss = member.step(pictures, labels, boxes, soft, self.steps, self.part)
            if member.name == TEACHER and self.part >= DISTIL_FROM:
                soft = logits
        self.seen += len(batch)
        return float(loss)  # type: ignore[arg-type]


def held_out_scenes(packed: Packed, count: int, file: Path) -> Packed:
    """Render the held-out scenes, or take them from the file: writers and conditions that no training sees.

    Returns:
        Arrays by name: `records` as `records.RECORD` and `kinds`, each (count,).
    """
    if not file.exists():
        scenes, kinds = RecordMaker(Renderer(Sources(packed, held_out=True), HELD_OUT_SEED)).make(count)
        durable.replace(file, work_folder.npz_bytes({"records": scenes, "kinds": np.array(kinds)}))
    return work_folder.load(file)


def _write_networks(run: _Run, options: Options, packed: Packed, say: Progress) -> dict[str, bytes]:
    """Write the figures of each network, and return the content of the Keras and LiteRT files by name."""
    say(f"rendering {options.held_out} held-out scenes")
    scenes = held_out_scenes(packed, options.held_out, run.folder / HELD_OUT_FILE)["records"]
    seed = seed_of(options.seed, 0, CALIBRATION_WORKER)
    ranges, _ = RecordMaker(Renderer(Sources(packed), seed)).make(convert.CALIBRATION)
    numbers = evaluate.numbers(Sources(packed, held_out=True))
    files: dict[str, bytes] = {}
    for member in run.members:
        averaged = member.averaged()
        if member.name == TEACHER:
            files |= convert.files_of("place", convert.fold(averaged, NETWORKS["place"]), ranges["picture"])
        model = convert.fold(averaged, member.network)
        files |= convert.files_of(member.name, model, ranges["picture"])
        int8 = files[model_folder.LITERT_FILES[member.name]]
        found = convert.litert_outputs(int8, scenes["picture"], member.network)
        logits, places = found["logits"], found["place"]
        temperature, thresholds = evaluate.fit(logits, scenes["label"])
        exact = convert.keras_outputs(model, scenes["picture"])["logits"]
        same = logits.argmax(axis=1) == exact.argmax(axis=1)
        off = np.abs(places[:, :2] - scenes["box"][:, :2])[~np.isnan(scenes["box"][:, 0])]
        content = {
            "temperature": temperature,
            "thresholds": thresholds,
            "held_out": evaluate.figures(logits, scenes["label"], temperature, thresholds)
            | {"same_class_in_float": int(same.sum()), "place_error": round(float(off.mean()), 5)},
            "numbers": {
                layout: evaluate.figures(
                    convert.litert_outputs(int8, pictures, member.network)["logits"],
                    np.full(len(pictures), SEVERAL, np.uint8),
                    temperature,
                    thresholds,
                )
                for layout, pictures in numbers.items()
            },
            "training": {
                **dataclasses.asdict(options),
                "images": run.seen,
                "rendered": run.rendered,
                "starts": run.starts,
                "python": platform.python_version(),
            },
        }
        file = run.folder / f"{member.name}.json"
        durable.replace(file, (json.dumps(content, indent=2) + "\n").encode())
        say(f"wrote {file}")
    return files
