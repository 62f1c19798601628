"""The command that fits weights and thresholds: `python -m batch.training.look.weigh MODEL_DIR SOURCES`.

It renders held-out scenes, lets the networks of the model see them, and fits how they are weighed.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError, RunError
from batch.inference import decision, model_store, models
from batch.inference.decision import Logits
from batch.inference.look import LookRules, Looks
from batch.intervals import wilson_interval
from batch.preprocessing.look import look_input
from batch.records import Input, Manifest
from batch.terminal.number_types import Whole
from batch.training import calibration, model_card, model_writer
from batch.training.look.mixture import NONE, SEVERAL
from batch.training.look.packing import packed_at
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Packed, Sources

SEED = 700_001  # of the scenes; no training and no other figure uses it
SCENES = 48_000  # of fewer, a dozen errors would make a threshold
# The highest share of wrong answers among those of each look; the last is that among all that is ok.
RISKS = (0.001, 0.003, 0.0025)
# How often several digits and no digit occur in people's folders, beside the scenes: 13% and 5% of all then.
# They were set so that at most 1% of the scenes of several digits are ok.
SEVERAL_PRIOR, NONE_PRIOR = 0.5, 0.2
SEVERAL_ABOVE = 0.9  # set before anybody measured it: a look that is this sure of several digits refuses
MAX_LOST_FRACTION = 0.001  # digits that the last refusal may cost
NEWTON_STEPS, MAX_STEP = 40, 0.3  # a longer step may leave the region where the loss is nearly a parabola
RIDGE = 1e-9  # keeps a part that says nothing from stopping Newton's method
MAX_WEIGHT = 10.0  # far above any sensible weight; parts that separate all labels would have no limit
CHUNK = 64  # scenes at a time; it bounds the memory

Array = npt.NDArray[np.float64]


class Seen(NamedTuple):
    """What was seen of n held-out scenes.

    Attributes:
        labels: Labels, 0 to 11.
        logits: Logits of each look, (n, 12).
    """

    labels: npt.NDArray[np.int64]
    logits: list[npt.NDArray[np.float32]]


def see(looks: Looks, renderer: Renderer, count: int) -> Seen:
    """Render scenes and take all looks at each."""
    parts = []
    for start in range(0, count, CHUNK):
        scenes = [renderer.scene() for _ in range(min(CHUNK, count - start))]
        greys = [scene.grey for scene in scenes]
        pictures = [look_input(grey) for grey in greys]
        closer = looks.look_closer(greys, pictures)
        logits = [looks.look(pictures), closer.logits, looks.look_at(greys, closer.places)]
        parts.append(Seen(np.array([scene.label for scene in scenes]), logits))
    by_look = zip(*(part.logits for part in parts), strict=True)
    return Seen(
        np.concatenate([part.labels for part in parts]), [np.concatenate(logits) for logits in by_look]
    )


def fit(seen: Seen) -> tuple[LookRules, dict[str, Any]]:
    """Fit weights and thresholds.

    Args:
        seen: What was seen of held-out scenes.

    Returns:
        The rules, and figures of the same scenes.
    """
    labels, is_digit = seen.labels, seen.labels < SEVERAL
    # Scenes without a single digit are rarer in practice, so each counts for less.
    counts = np.array([1.0] * SEVERAL + [SEVERAL_PRIOR, NONE_PRIOR])[labels]
    rules = LookRules((), (), SEVERAL_PRIOR, NONE_PRIOR, SEVERAL_ABOVE, 1.0)
    unsure = np.ones(len(labels), np.bool_)
    answered = np.zeros(len(labels), np.bool_)  # by a look before the last
    right = np.zeros(len(labels), np.bool_)  # whether the last digit that was said is
    confidences = np.zeros(len(labels))
    figures: dict[str, Any] = {"scenes": len(labels), "digits": int(is_digit.sum()), "answered": []}
    for looks, risk in enumerate(RISKS, start=1):
        parts = [logits[unsure] for logits in seen.logits[:looks]]
        weights = fit_weights(parts, labels[unsure], rules.prior, counts[unsure])
        rules = dataclasses.replace(rules, weights=(*rules.weights, tuple(weights.tolist())))
        likely = decision.probabilities(rules.weigh(parts), "softmax", 1.0)
        confidences[unsure] = likely[:, :SEVERAL].max(axis=1)
        right[unsure] = likely[:, :SEVERAL].argmax(axis=1) == labels[unsure]
        # What was answered before comes first. It counts for the risk of the last look, which is that of all.
        counted = unsure | answered if looks == len(RISKS) else unsure
        above = calibration.threshold_for_risk(
            (confidences + answered)[counted], right[counted], risk, counts[counted]
        )
        rules = dataclasses.replace(rules, above=(*rules.above, min(1.0, above)))
        if looks == len(RISKS):
            break
        sure = unsure & (confidences >= above)
        figures["answered"].append(int(sure.sum()))
        answered |= sure
        refused = np.zeros(len(labels), np.bool_)
        refused[unsure] = ~sure[unsure] & (likely[:, SEVERAL] >= SEVERAL_ABOVE)
        right &= ~refused
        unsure &= ~sure & ~refused
    lost = likely[:, SEVERAL:].sum(axis=1)[labels[unsure] < SEVERAL]
    may_lose = int(MAX_LOST_FRACTION * is_digit.sum())
    none_above = float(np.sort(lost)[-1 - may_lose]) if len(lost) > may_lose else 1.0
    rules = dataclasses.replace(rules, none_above=max(0.5, none_above))

    ok = answered | (unsure & (confidences >= rules.above[-1]))
    wrong = int((ok & is_digit & ~right).sum())
    return rules, figures | {
        "digits_right": int((right & is_digit).sum()),
        "ok": int((ok & is_digit).sum()),
        "wrong": wrong,
        "wrong_interval": [round(end, 6) for end in wilson_interval(wrong, int((ok & is_digit).sum()))],
        "several": [int((ok & (labels == SEVERAL)).sum()), int((labels == SEVERAL).sum())],
        "none": [int((ok & (labels == NONE)).sum()), int((labels == NONE).sum())],
    }


def fit_weights(
    parts: Sequence[Logits], labels: npt.NDArray[np.int64], prior: Logits, counts: Array
) -> Array:
    """Find the weights under which the labels are most likely, by Newton's method on a convex loss.

    Args:
        parts: Logits of each look, (n, 12).
        labels: Labels, (n,).
        prior: What is added to the weighed logits, (12,).
        counts: How much each label counts, (n,).

    Returns:
        A weight for each part, 0 to `MAX_WEIGHT`; 0 if there are no labels.
    """
    if not len(labels):
        return np.zeros(len(parts))
    stack = np.stack(parts).astype(np.float64)
    weights, counted = np.full(len(parts), 0.5), counts / counts.sum()
    rows = np.arange(len(labels))
    for _ in range(NEWTON_STEPS):
        likely = decision.probabilities(np.tensordot(weights, stack, 1) + prior, "softmax", 1.0)
        means = (stack * likely).sum(axis=2)
        gradient = (means - stack[:, rows, labels]) @ counted
        spread = stack - means[:, :, None]
        curvature = np.einsum("inc,jnc,nc,n->ij", spread, spread, likely, counted)
        step = np.linalg.solve(curvature + RIDGE * np.eye(len(parts)), gradient)
        weights = np.clip(weights - np.clip(step, -MAX_STEP, MAX_STEP), 0.0, MAX_WEIGHT)
    return weights


def say(figures: dict[str, Any]) -> str:
    """Say in words how the weights and thresholds were fitted."""
    low, high = figures["wrong_interval"]
    several, none, answered = figures["several"], figures["none"], figures["answered"]
    return (
        f"Weights and thresholds were fitted on {figures['scenes']:,} held-out scenes, for at most"
        f" {RISKS[-1]:.2%} wrong among all ok. Of {figures['digits']:,} digits, {figures['digits_right']:,}"
        f" are read right and {figures['ok']:,} are ok, {figures['wrong']} of these wrong (95% interval"
        f" {low:.2%} to {high:.2%}). Of {several[1]:,} scenes of several digits, {several[0]} are ok, and"
        f" {none[0]} of {none[1]:,} of no digit. The first look answers {answered[0]:,} of all scenes, and"
        f" the second {answered[1]:,}."
    )


def weigh(model_dir: Path, sources: Path, count: int) -> str:
    """Fit how the looks of a model are weighed, and write that into its manifest and card.

    Args:
        model_dir: Folder of the model.
        sources: Folder of the data sets, or the file in which a training packed them.
        count: Held-out scenes to render.

    Returns:
        What was fitted, in words.

    Raises:
        ModelError: The model is damaged, or cannot be written.
        ConfigError: It has no looks.
        InputError: A data set is missing or is not what it should be.
    """
    manifest = model_store.load_manifest(model_dir)
    if manifest.preprocess.input is not Input.SCAN:
        raise ConfigError(f"the model in {model_dir} has no looks: name one that has")
    manifest = fitted(manifest, models.read(model_dir, manifest, "litert"), packed_at(sources), count)
    model_writer.rewrite_card(model_dir, manifest, model_card.text(manifest))
    return manifest.look_fit


def fitted(manifest: Manifest, files: Mapping[str, bytes], packed: Packed, count: int) -> Manifest:
    """Return the manifest of a model with weights and thresholds fitted on held-out scenes.

    Args:
        manifest: Manifest of a model with looks.
        files: Content of its networks by file name.
        packed: The packed data sets.
        count: Held-out scenes to render.
    """
    looks = models.build(files, manifest, "litert").looks
    assert looks is not None
    seen = see(looks, Renderer(Sources(packed, held_out=True), SEED), count)
    rules, figures = fit(seen)
    return with_rules(manifest, rules, say(figures))


def with_rules(manifest: Manifest, rules: LookRules, fit: str) -> Manifest:
    """Return the manifest with other rules, and without figures, which are of the rules before.

    Args:
        manifest: Manifest of a model with looks.
        rules: The rules.
        fit: How they were fitted, in words.
    """
    return dataclasses.replace(
        manifest,
        review_below=round(rules.above[-1], 4),
        refuse_above=round(rules.none_above, 4),
        look_above=tuple(round(above, 4) for above in rules.above[:-1]),
        look_weights=tuple(tuple(round(weight, 4) for weight in weights) for weights in rules.weights),
        look_several_prior=rules.several_prior,
        look_none_prior=rules.none_prior,
        look_several_above=rules.several_above,
        look_fit=fit,
        metrics={},
        numbers_metrics={},
    )


@click.command()
@click.argument("model_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sources", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--scenes",
    type=Whole(min=100),
    default=SCENES,
    show_default=True,
    help="Held-out scenes to render.",
)
def main(model_dir: Path, sources: Path, scenes: int) -> None:
    """Fit how the looks of the model in MODEL_DIR are weighed, on scenes from the data sets in SOURCES."""
    cv2.setNumThreads(1)
    try:
        click.echo(weigh(model_dir, sources, scenes))
    except RunError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
