"""The reader of numbers from its data to its place in a model folder."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from batch.errors import ConfigError
from batch.inference import model_store, models
from batch.inference.model_store import NUMBERS_FILE
from batch.inference.number_decision import NumberThresholds
from batch.storage import durable
from batch.training import model_card
from batch.training.look.farm import seed_of
from batch.training.look.packing import DataPaths, pack
from batch.training.look.sources import Sources, load
from batch.training.numbers import calibrate, convert
from batch.training.numbers.calibrate import HeldOut
from batch.training.numbers.fields import Renderer
from batch.training.numbers.records import RecordMaker
from batch.training.numbers.train import Options, train

HELD_OUT_SEED = 910_001  # of the held-out fields
HELD_OUT = 8_000  # of them; with fewer, two or three errors would make the threshold
CALIBRATION_WORKER = 999  # its seed is none of the workers'
SOURCES_FILE = "sources.npz"


def make(
    sources: Path, out: Path, model_dir: Path, options: Options, held_out: int, say: Callable[[str], None]
) -> None:
    """Train the network, convert it, fit its confidence, and put it into a model folder.

    Args:
        sources: Folder of the data sets, or their packed file.
        out: Folder for the checkpoint and the log; digitbox makes it.
        model_dir: Model folder with a look, which gets the file; its manifest and card change.
        options: Options of the training.
        held_out: Number of held-out fields.
        say: Gets lines of progress.

    Raises:
        ConfigError: `out` holds a training with other options, or the model has no look.
        InputError: A data set is missing or is not what it should be.
        ModelError: The model folder is damaged, or cannot be written.
    """
    durable.make_folder(out)
    packed_file = sources if sources.is_file() else out / SOURCES_FILE
    if not packed_file.exists():
        say("packing the data sets")
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **pack(DataPaths.in_folder(sources)))
        durable.replace(packed_file, content.getvalue())
    training = train(packed_file, out, options, say)
    packed = load(packed_file)
    say(f"rendering {held_out} held-out fields")
    seed = seed_of(options.seed, 0, CALIBRATION_WORKER)
    ranges, _ = RecordMaker(Renderer(Sources(packed), seed)).make(convert.CALIBRATION)
    numbers = convert.int8_bytes(training.model, ranges)
    durable.replace(out / NUMBERS_FILE, numbers)
    fields = HeldOut.of(*RecordMaker(Renderer(Sources(packed, held_out=True), HELD_OUT_SEED)).make(held_out))
    say("fitting the confidence")
    look = models.load(model_dir, model_store.load_manifest(model_dir)).looks
    if look is None:
        raise ConfigError(f"the model in {model_dir} has no look: name one that has")
    thresholds, figures = calibrate.fit(numbers, look, fields, HELD_OUT_SEED)
    _install(model_dir, numbers, thresholds, figures, training.fields, training.rendered)
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
    digest = model_store.digest(numbers)
    manifest = dataclasses.replace(
        manifest,
        files={**manifest.files, NUMBERS_FILE: digest},
        numbers_version=f"{manifest.name}-numbers-{digest[:8]}",
        numbers_slope=round(thresholds.slope, 6),
        numbers_offset=round(thresholds.offset, 6),
        numbers_review_below=round(thresholds.review_below, 6),
        numbers_other_length=thresholds.other_length,
        numbers_look_weight=thresholds.look_weight,
        numbers_metrics=figures,
        numbers_training=(
            f"It saw {fields} fields, {rendered} of them different, composed of the digits, letters and "
            "signs of the look's data sets. `python -m batch.training.numbers` trains it."
        ),
    )
    durable.replace(model_dir / NUMBERS_FILE, numbers)
    model_store.rewrite_card(model_dir, manifest, model_card.text(manifest))
