"""The command that puts trained looks into a model: `python -m batch.training.look.weigh TRAINED MODEL_DIR`.

It renders held-out scenes, lets both looks and the model see them, and fits how they are weighed.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import InputError, RunError
from batch.inference import decision, model_store, models, steps
from batch.inference.look import Closer, LookRules, Looks, weigh_model
from batch.inference.look_networks import build
from batch.inference.models import Model
from batch.intervals import wilson_interval
from batch.preprocessing.look import look_input
from batch.records import Grey
from batch.storage import durable
from batch.training import calibration, model_card
from batch.training.look.mixture import NONE, SEVERAL
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Sources, load

SEED = 700_001  # of the scenes; no training and no other figure uses it
SCENES = 16_000
LOOK_RISK = 0.002  # the highest share of wrong answers among those of the look
RISK = 0.003  # the same among all that is answered ok
SEVERAL_ABOVE = 0.9  # set before anybody measured it: a look that is this sure of several digits refuses
MAX_LOST_FRACTION = 0.001  # digits that the last refusal may cost
NEWTON_STEPS = 30
RIDGE = 1e-9  # keeps a part that says nothing from stopping Newton's method
MAX_WEIGHT = 10.0  # far above any sensible weight; parts that separate all labels would have no limit
CHUNK = 64  # scenes at a time; it bounds the memory

Array = npt.NDArray[np.float64]


class Seen(NamedTuple):
    """What was seen of n held-out scenes.

    Attributes:
        labels: Labels, 0 to 11.
        look: Logits of the look, (n, 12).
        closer: What looking closer shows.
        shares: The model's probabilities, (n, 10) or (n, 11); NaN where the preprocessing refused the scan.
    """

    labels: npt.NDArray[np.int64]
    look: npt.NDArray[np.float32]
    closer: Closer
    shares: Array


def see(model: Model, looks: Looks, renderer: Renderer, count: int) -> Seen:
    """Render scenes and let all networks see each."""
    parts = []
    for start in range(0, count, CHUNK):
        scenes = [renderer.scene() for _ in range(min(CHUNK, count - start))]
        greys = [scene.grey for scene in scenes]
        pictures = [look_input(grey) for grey in greys]
        labels = np.array([scene.label for scene in scenes])
        closer = looks.look_closer(greys, pictures)
        parts.append(Seen(labels, looks.look(pictures), closer, _shares(model, greys)))
    return Seen(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.look for part in parts]),
        Closer(
            [place for part in parts for place in part.closer.places],
            np.concatenate([part.closer.whole for part in parts]),
            np.concatenate([part.closer.near for part in parts]),
        ),
        np.concatenate([part.shares for part in parts]),
    )


def _shares(model: Model, greys: list[Grey]) -> Array:
    """Return the model's probabilities, (n, classes), with NaN where the preprocessing refuses a scan."""
    manifest = model.manifest
    digits = [steps.prepare(grey, manifest.preprocess).digit for grey in greys]
    shares = np.full((len(greys), manifest.classes), np.nan)
    is_seen = np.array([digit is not None for digit in digits])
    if is_seen.any():
        logits = model.classifier.logits(np.stack([digit for digit in digits if digit is not None]))
        shares[is_seen] = decision.probabilities(logits, manifest.output, manifest.temperature)
    return shares


def fit(seen: Seen, temperature: float) -> tuple[LookRules, dict[str, Any]]:
    """Fit weights and thresholds.

    Args:
        seen: What was seen of held-out scenes.
        temperature: Temperature of the look.

    Returns:
        The rules, and figures of the same scenes.
    """
    labels = seen.labels
    first = decision.probabilities(seen.look, "softmax", temperature)
    first_labels, first_confidences = first[:, :SEVERAL].argmax(axis=1), first[:, :SEVERAL].max(axis=1)
    above = calibration.threshold_for_risk(first_confidences, first_labels == labels, LOOK_RISK)
    is_answered = first_confidences >= above
    is_unsure = ~is_answered & (first[:, SEVERAL] < SEVERAL_ABOVE)
    unsure = labels[is_unsure]

    whole, near = (logits[is_unsure].astype(np.float64) for logits in (seen.closer.whole, seen.closer.near))
    close_weight, place_weight = fit_weights([whole, near], unsure).tolist()
    rules = LookRules(temperature, above, close_weight, place_weight, 0.0, 1.0, SEVERAL_ABOVE, 1.0)
    evidence = Closer((), whole, near).evidence(rules)
    shares = seen.shares[is_unsure]
    has_ink = ~np.isnan(shares[:, 0])
    said = weigh_model(
        np.zeros_like(evidence[has_ink]), shares[has_ink], dataclasses.replace(rules, model_weight=1.0)
    )
    (model_weight,) = fit_weights([said], unsure[has_ink], evidence[has_ink]).tolist()
    rules = dataclasses.replace(rules, model_weight=model_weight)

    last = np.array(decision.probabilities(evidence, "softmax", 1.0))
    weighed = weigh_model(evidence[has_ink], shares[has_ink], rules)
    without_model, with_model = (
        _loss(decision.probabilities(logits, "softmax", 1.0), unsure[has_ink])
        for logits in (evidence[has_ink], weighed)
    )
    last[has_ink] = decision.probabilities(weighed, "softmax", 1.0)
    confidences, right = last[:, :SEVERAL].max(axis=1), last[:, :SEVERAL].argmax(axis=1) == unsure
    # The look's answers come first: they have their own threshold, and count for the risk of all.
    all_confidences = np.concatenate([np.full(int(is_answered.sum()), 2.0), confidences])
    all_right = np.concatenate([(first_labels == labels)[is_answered], right])
    close_above = min(1.0, calibration.threshold_for_risk(all_confidences, all_right, RISK))
    lost = (last[:, SEVERAL] + last[:, NONE])[unsure < SEVERAL]
    digits = int((labels < SEVERAL).sum())
    may_lose = int(MAX_LOST_FRACTION * digits)
    none_above = float(np.sort(lost)[-1 - may_lose]) if len(lost) > may_lose else 1.0
    rules = dataclasses.replace(rules, close_above=close_above, none_above=max(0.5, none_above))

    is_ok = confidences >= close_above
    read = int((first_labels == labels)[is_answered & (labels < SEVERAL)].sum()) + int(
        right[unsure < SEVERAL].sum()
    )
    ok = int(is_answered.sum() + is_ok.sum())
    wrong = int((first_labels != labels)[is_answered].sum() + (~right)[is_ok].sum())
    return rules, {
        "scenes": len(labels),
        "digits": digits,
        "digits_right": read,
        "look_ok": int(is_answered.sum()),
        "look_wrong": int((first_labels != labels)[is_answered].sum()),
        "ok": ok,
        "wrong": wrong,
        "wrong_interval": [round(end, 6) for end in wilson_interval(wrong, ok)],
        "unsure": len(unsure),
        "loss_without_model": round(without_model, 4),
        "loss_with_model": round(with_model, 4),
    }


def fit_weights(parts: list[Array], labels: npt.NDArray[np.int64], fixed: Array | float = 0.0) -> Array:
    """Find the weights under which the labels are most likely, by Newton's method on a convex loss.

    Args:
        parts: Logits or logarithms to weigh, (n, 12) each.
        labels: Labels, (n,).
        fixed: Logits that are added as they are, (n, 12).

    Returns:
        A weight for each part, 0 to `MAX_WEIGHT`; 0 if there are no labels.
    """
    if not len(labels):
        return np.zeros(len(parts))
    stack = np.stack(parts)
    weights = np.full(len(parts), 0.5)
    rows = np.arange(len(labels))
    for _ in range(NEWTON_STEPS):
        likely = decision.probabilities(np.tensordot(weights, stack, 1) + fixed, "softmax", 1.0)
        means = (stack * likely).sum(axis=2)
        gradient = (means - stack[:, rows, labels]).mean(axis=1)
        spread = stack - means[:, :, None]
        curvature = np.einsum("inc,jnc,nc->ij", spread, spread, likely) / len(labels)
        step = np.linalg.solve(curvature + RIDGE * np.eye(len(parts)), gradient)
        weights = np.clip(weights - step, 0.0, MAX_WEIGHT)
    return weights


def _loss(likely: Array, labels: npt.NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(likely[np.arange(len(labels)), labels], 1e-12)).mean())


def say(figures: dict[str, Any]) -> str:
    """Say in words how the weights and thresholds were fitted."""
    low, high = figures["wrong_interval"]
    return (
        f"Weights and thresholds were fitted on {figures['scenes']:,} held-out scenes, for at most"
        f" {LOOK_RISK:.1%} wrong among the look's answers and {RISK:.1%} among all ok. The look answers"
        f" {figures['look_ok']:,} of them, {figures['look_wrong']} wrongly. Of all, {figures['ok']:,} are ok"
        f" and {figures['wrong']} of these wrong (95% interval {low:.2%} to {high:.2%}). Of"
        f" {figures['digits']:,} digits, {figures['digits_right']:,} are read right. The model changes the"
        f" mean loss of the {figures['unsure']:,} scenes of which the look is not sure from"
        f" {figures['loss_without_model']:g} to {figures['loss_with_model']:g}."
    )


def weigh(trained: Path, model_dir: Path, count: int) -> str:
    """Put trained looks into a model, and fit how they are weighed.

    Args:
        trained: Folder that `batch.training.look` wrote.
        model_dir: Folder of the model.
        count: Held-out scenes to render.

    Returns:
        What was fitted, in words.

    Raises:
        ModelError: A network does not load, or the model is damaged.
        InputError: The folder of the training lacks a file.
    """
    manifest = model_store.load_manifest(model_dir)
    try:
        files = {name: (trained / name).read_bytes() for name in model_store.LOOK_FILES}
        training = json.loads((trained / "look.json").read_text(encoding="utf-8"))
        sources = Sources(load(trained / "sources.npz"), held_out=True)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the looks: {error}; name a folder that the training wrote") from error
    networks = build(
        {name: files[name] for name in (model_store.LOOK_FILE, model_store.CLOSE_FILE)}, manifest
    )
    model = models.load(model_dir, manifest)
    assert networks is not None
    looks = Looks(networks, LookRules.of(manifest))
    rules, figures = fit(see(model, looks, Renderer(sources, SEED), count), training["temperature"])
    model_file = {
        model_store.TFLITE_FILE: model_store.read_verified(model_dir, manifest, model_store.TFLITE_FILE)
    }
    manifest = dataclasses.replace(
        manifest,
        version=model_store.version_of(manifest.name, files | model_file),
        files={**manifest.files, **model_store.digests(files)},
        look_temperature=round(rules.temperature, 4),
        look_above=round(rules.above, 4),
        look_close_weight=round(rules.close_weight, 4),
        look_place_weight=round(rules.place_weight, 4),
        look_model_weight=round(rules.model_weight, 4),
        look_close_above=round(rules.close_above, 4),
        look_several_above=rules.several_above,
        look_none_above=round(rules.none_above, 4),
        look_fit=say(figures),
        look_training=training.get("said") or _say_training(training["training"]),
    )
    for name, content in files.items():
        durable.replace(model_dir / name, content)
    model_store.rewrite_card(model_dir, manifest, model_card.text(manifest))
    return manifest.look_fit


def _say_training(training: dict[str, Any]) -> str:
    """Say in words how looks were trained, from what the training wrote."""
    return (
        f"`batch.training.look` trained them with seed {training['seed']}, on {training['images']} pictures"
        f" of {training['rendered']} rendered scenes, in {training['starts']} starts. The look also learnt"
        " from `close`. What is held out is the same in each training, see docs/look.md."
    )


@click.command()
@click.argument("trained", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("model_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--scenes",
    type=click.IntRange(min=100),
    default=SCENES,
    show_default=True,
    help="Held-out scenes to render.",
)
def main(trained: Path, model_dir: Path, scenes: int) -> None:
    """Put the looks in TRAINED into the model in MODEL_DIR, and fit how they are weighed."""
    cv2.setNumThreads(1)
    try:
        click.echo(weigh(trained, model_dir, scenes))
    except RunError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
