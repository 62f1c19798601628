"""The reader of numbers from its data to its place in a model folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras

from batch.errors import ConfigError
from batch.inference import model_store, models
from batch.inference.model_store import NUMBERS_FILE
from batch.inference.number_decision import NumberThresholds
from batch.storage import durable
from batch.training import model_card, model_writer
from batch.training.farm import CALIBRATION_WORKER, seed_of
from batch.training.look.sources import Sources
from batch.training.numbers import calibrate, convert
from batch.training.numbers.calibrate import HeldOut
from batch.training.numbers.fields import Renderer
from batch.training.numbers.records import RecordMaker
from batch.training.numbers.train import Options, train
from batch.training.progress import Progress
from batch.training.work_folder import load

HELD_OUT_SEED = 910_001  # of the held-out fields


def make(sources: Path, out: Path, model_dir: Path, options: Options, held_out: int, say: Progress) -> None:
    """Train the network, convert it, fit its confidence, and put it into a model folder.

    Args:
        sources: File of the packed data sets, see `batch.training.look.packing`.
        out: Folder for the checkpoint and the log; digitbox makes it.
        model_dir: Model folder with looks, which gets the file; its manifest and card change.
        options: Options of the training.
        held_out: Number of held-out fields.
        say: Gets lines of progress.

    Raises:
        ConfigError: `out` holds a training with other options, or the model has no looks.
        ModelError: The model folder is damaged, or cannot be written.
    """
    looks = models.load(model_dir).looks
    if looks is None:
        raise ConfigError(f"the model in {model_dir} has no looks: name one that has")
    keras.utils.clear_session()  # the names of layers, which are in the file, count from here in each start
    training = train(sources, out, options, say)
    packed = load(sources)
    say(f"rendering {held_out} held-out fields")
    seed = seed_of(options.seed, 0, CALIBRATION_WORKER)
    ranges, _ = RecordMaker(Renderer(Sources(packed), seed)).make(convert.CALIBRATION)
    numbers = convert.int8_bytes(training.reader.averaged(), ranges)
    durable.replace(out / NUMBERS_FILE, numbers)
    fields = HeldOut.of(*RecordMaker(Renderer(Sources(packed, held_out=True), HELD_OUT_SEED)).make(held_out))
    say("fitting the confidence")
    thresholds, figures = calibrate.fit(numbers, looks, fields, HELD_OUT_SEED)
    _install(model_dir, numbers, thresholds, figures, training.seen, training.rendered)
    say(f"wrote {NUMBERS_FILE} to {model_dir}")


def _install(
    model_dir: Path,
    numbers: bytes,
    thresholds: NumberThresholds,
    figures: dict[str, object],
    fields: int,
    rendered: int,
) -> None:
    manifest = model_store.load_manifest(model_dir)
    files = {**manifest.files, NUMBERS_FILE: model_store.digest(numbers)}
    manifest = dataclasses.replace(
        manifest,
        files=files,
        numbers_version=model_writer.numbers_version_of(manifest.name, files),
        numbers_slope=round(thresholds.slope, 6),
        numbers_offset=round(thresholds.offset, 6),
        numbers_review_below=round(thresholds.review_below, 6),
        numbers_other_length=thresholds.other_length,
        numbers_look_weight=thresholds.look_weight,
        numbers_look_slope=round(thresholds.look_slope, 6),
        numbers_metrics=figures,
        numbers_training=(
            f"It saw {fields} fields, {rendered} of them different, composed of the digits, letters and "
            "signs of the look's data sets. `python -m batch.training` trains it."
        ),
    )
    card = model_card.text(manifest).encode()
    model_writer.add_files(model_dir, manifest, {NUMBERS_FILE: numbers, "card.md": card})
