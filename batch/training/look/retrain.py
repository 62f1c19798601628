"""The way from a trained cnn and a user's scans to the folder of a new model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.inference import model_store, models
from batch.inference.look import NONE, SEVERAL, LookRules
from batch.inference.runtimes import load_keras
from batch.intervals import wilson_interval
from batch.preprocessing.look import look_input
from batch.records import Grey, Manifest
from batch.text import count
from batch.training import model_card, model_writer, versions
from batch.training.data import own_scans
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.data.own_scans import OwnScan
from batch.training.evaluation import compare, evaluate
from batch.training.evaluation.compare import Tested
from batch.training.look import convert, further
from batch.training.look.drawn_sources import drawn_sources
from batch.training.look.model_folder import KERAS_FILES
from batch.training.look.scenes import Renderer
from batch.training.look.weigh import RISKS, with_rules
from batch.training.progress import Progress

TESTED_SEED = 800_001  # of the drawn scenes that both models read
TESTED = 1000
DRAWN = "scans that digitbox draws"
MAX_STRICTER = 10  # times that the thresholds go up


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `digitbox train --from` a cnn.

    Attributes:
        start: Folder of the model to go on from.
        own: The user's scans with their labels, 0 to 9 or `NOT_A_DIGIT`.
        name: Name of the new model.
        models_dir: Folder of models to write to.
        seed: Seed of every random choice but the split.
        overwrite: Whether a model of the same name is replaced.
    """

    start: Path
    own: Sequence[OwnScan]
    name: str
    models_dir: Path
    seed: int
    overwrite: bool


def retrain(options: Options, progress: Progress) -> tuple[Path, list[Tested]]:
    """Train a cnn further with the user's scans, test it on those held out, and write its folder.

    Args:
        options: What to train and where to write it.
        progress: Receives lines of progress.

    Returns:
        The model's folder, and what the model was tested on.

    Raises:
        ConfigError: The name is taken, or there is no scan to train on.
        ModelError: The model to go on from is damaged, or the folder cannot be written.
    """
    model_writer.check_target(options.models_dir, options.name, options.overwrite)
    start = model_store.load_manifest(options.start)
    held_out, training = own_scans.split(options.own)
    progress(f"{count(len(training), 'own scan')} to train on, {len(held_out)} held out")
    if not training:
        raise ConfigError("there is no scan to train on: give labelled scans with --extra")
    old = {
        name: load_keras(
            model_store.read_verified(options.start, start, file), f"{file} of the model {start.name}"
        )
        for name, file in KERAS_FILES.items()
    }
    progress(f"drawing {further.SETTINGS.scenes} scans, so that it does not forget")
    scenes = [grey for grey, _ in draw(further.SETTINGS.scenes, options.seed)]
    try:
        new = further.go_on(old, training, scenes, options.seed, progress)
    except KeyboardInterrupt:
        progress("stopped: no model was written")
        raise
    progress("exporting to LiteRT")
    files = _export(new, [*scenes, *(grey for grey, _ in training)], options.seed)
    if has_numbers := model_store.NUMBERS_FILE in start.files:
        numbers = model_store.read_verified(options.start, start, model_store.NUMBERS_FILE)
        files[model_store.NUMBERS_FILE] = numbers
    digests = model_writer.digests(files)
    manifest = dataclasses.replace(
        start,
        name=options.name,
        version=model_writer.version_of(options.name, files),
        numbers_version=model_writer.numbers_version_of(options.name, digests) if has_numbers else "",
        files=digests,
        metrics={},
        numbers_metrics={},  # they are of the looks before
        datasets=(*start.datasets, own_scans.entry(training)),
        seed=options.seed,
        start=start.version,
        look_training=f"{start.look_training} {_say_training(training, options.seed)}",
        versions=versions.made_with(),
    )
    manifest = _stricter(files, manifest, held_out, progress)
    tested = compare.test(
        models.build(files, manifest, "litert"),
        [(compare.OWN, held_out), (DRAWN, draw(TESTED, tested_seed(options.seed)))],
    )
    metrics = {kind.name: evaluate.for_manifest(evaluate.figures(kind.answers)) for kind in tested}
    manifest = dataclasses.replace(manifest, metrics=metrics)
    files["card.md"] = model_card.text(manifest).encode()
    return model_writer.save(options.models_dir, manifest, files, options.overwrite), tested


def tested_seed(seed: int) -> int:
    """Return the seed of the scenes to test on, which is not that of the training."""
    return TESTED_SEED + (seed == TESTED_SEED)


def draw(count: int, seed: int) -> list[OwnScan]:
    """Draw scans of all kinds, from digitbox's own digits, letters and signs.

    Args:
        count: Number of scans.
        seed: Seed of all chance.
    """
    renderer = Renderer(drawn_sources(seed), seed)
    scenes = (renderer.scene() for _ in range(count))
    return [(scene.grey, NOT_A_DIGIT if scene.label in (SEVERAL, NONE) else scene.label) for scene in scenes]


def _export(new: dict[str, Any], greys: Sequence[Grey], seed: int) -> dict[str, bytes]:
    """Return the files of the networks; the ranges of int8 come from some of the scans."""
    chosen = np.random.default_rng(seed).permutation(len(greys))[: convert.CALIBRATION]
    pictures = np.stack([look_input(greys[index]) for index in chosen.tolist()])
    files: dict[str, bytes] = {}
    for name, network in new.items():
        files |= convert.files_of(name, network, pictures)
    return files


def _stricter(
    files: dict[str, bytes], manifest: Manifest, held_out: Sequence[OwnScan], progress: Progress
) -> Manifest:
    """Raise the thresholds for `ok` as far as the held-out scans demand it; mostly they demand nothing."""
    kept = "The thresholds are those of the model before."
    for _ in range(MAX_STRICTER):
        found = compare.answers(models.build(files, manifest, "litert"), held_out)
        wrong = found.ok & ~found.right
        # Wrong answers that may go to review, the least confident first, and none of them at first.
        levels = [0.0, *np.sort(found.confidences[wrong]).tolist()]
        enough = next(level for level in levels if _is_safe(found.confidences > level, found.ok, wrong))
        if not enough:
            break
        rules = LookRules.of(manifest)
        above = min(1.0, enough + 1e-4)
        rules = dataclasses.replace(rules, above=tuple(max(before, above) for before in rules.above))
        manifest = with_rules(manifest, rules, manifest.look_fit)
        kept = f"The thresholds were raised on {len(held_out)} held-out own scans."
    progress(kept)
    return dataclasses.replace(manifest, look_fit=f"{manifest.look_fit} {kept}")


def _is_safe(above: npt.NDArray[np.bool_], ok: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]) -> bool:
    """Return whether so few of the answers above a threshold are wrong that chance may have made them."""
    low, _high = wilson_interval(int((wrong & above).sum()), int((ok & above).sum()))
    return not (wrong & above).any() or low <= RISKS[-1]


def _say_training(training: Sequence[OwnScan], seed: int) -> str:
    """Say in words how the networks were trained further."""
    settings = further.SETTINGS
    return (
        f"Then {len(training)} own scans trained each network for {settings.steps} steps more, with seed"
        f" {seed}. On {settings.scenes:,} drawn scans they learnt the answers of the networks before. A fifth"
        " of the own scans was held out."
    )
