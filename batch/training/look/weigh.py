"""The command that fits weights and thresholds: `python -m batch.training.look.weigh MODEL_DIR SOURCES`.

It renders held-out scenes, lets both networks of the model see them, and fits how they are weighed.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError, RunError
from batch.inference import decision, look_networks, model_store, models
from batch.inference.decision import Logits
from batch.inference.look import Closer, LookRules, Looks
from batch.intervals import wilson_interval
from batch.preprocessing.look import look_input
from batch.records import Input, Manifest
from batch.training import calibration, model_card
from batch.training.look.mixture import NONE, SEVERAL
from batch.training.look.packing import packed_at
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Packed, Sources

SEED = 700_001  # of the scenes; no training and no other figure uses it
SCENES = 16_000
LOOK_RISK = 0.001  # the highest share of wrong answers among those of the look
RISK = 0.003  # the same among all that is answered ok
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
        look: Logits of the look, (n, 12).
        closer: What looking closer shows.
    """

    labels: npt.NDArray[np.int64]
    look: npt.NDArray[np.float32]
    closer: Closer


def see(looks: Looks, renderer: Renderer, count: int) -> Seen:
    """Render scenes and let both networks see each."""
    parts = []
    for start in range(0, count, CHUNK):
        scenes = [renderer.scene() for _ in range(min(CHUNK, count - start))]
        greys = [scene.grey for scene in scenes]
        pictures = [look_input(grey) for grey in greys]
        labels = np.array([scene.label for scene in scenes])
        parts.append(Seen(labels, looks.look(pictures), looks.look_closer(greys, pictures)))
    return Seen(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.look for part in parts]),
        Closer(
            [place for part in parts for place in part.closer.places],
            np.concatenate([part.closer.whole for part in parts]),
            np.concatenate([part.closer.near for part in parts]),
        ),
    )


def fit(seen: Seen, temperature: float) -> tuple[LookRules, dict[str, Any]]:
    """Fit weights and thresholds.

    Args:
        seen: What was seen of held-out scenes.
        temperature: Temperature of the look.

    Returns:
        The rules, and figures of the same scenes.
    """
    labels, digits = seen.labels, int((seen.labels < SEVERAL).sum())
    # Scenes without a single digit are rarer in practice, so each counts for less.
    counts = np.array([1.0] * SEVERAL + [SEVERAL_PRIOR, NONE_PRIOR])[labels]
    rules = LookRules(
        temperature,
        above=1.0,
        several_prior=SEVERAL_PRIOR,
        none_prior=NONE_PRIOR,
        look_weight=0.0,
        close_weight=1.0,
        place_weight=0.0,
        close_above=1.0,
        several_above=SEVERAL_ABOVE,
        none_above=1.0,
    )

    first = decision.probabilities(rules.first(seen.look), "softmax", 1.0)
    confidences, right = _answers(first, labels)
    above = calibration.threshold_for_risk(confidences, right, LOOK_RISK, counts)
    by_look = confidences >= above
    is_unsure = ~by_look & (first[:, SEVERAL] < SEVERAL_ABOVE)
    # The look's answers come first: they have their own threshold, and count for the risk of all.
    sure = np.full(int(by_look.sum()), 2.0), right[by_look], counts[by_look]

    look = seen.look[is_unsure]
    closer = Closer((), seen.closer.whole[is_unsure], seen.closer.near[is_unsure])
    unsure, counted = labels[is_unsure], counts[is_unsure]
    parts = [part.astype(np.float64) for part in (look, closer.whole, closer.near)]
    weights = fit_weights(parts, unsure, rules.prior, counted).tolist()
    rules = dataclasses.replace(
        rules, above=above, look_weight=weights[0], close_weight=weights[1], place_weight=weights[2]
    )
    last = decision.probabilities(rules.closer(look, closer), "softmax", 1.0)
    confidences, right = _answers(last, unsure)
    pooled = (np.concatenate(pair) for pair in zip(sure, (confidences, right, counted), strict=True))
    confidences_of_all, right_of_all, counts_of_all = pooled
    close_above = min(
        1.0, calibration.threshold_for_risk(confidences_of_all, right_of_all, RISK, counts_of_all)
    )
    lost = (last[:, SEVERAL] + last[:, NONE])[unsure < SEVERAL]
    may_lose = int(MAX_LOST_FRACTION * digits)
    none_above = float(np.sort(lost)[-1 - may_lose]) if len(lost) > may_lose else 1.0
    rules = dataclasses.replace(rules, close_above=close_above, none_above=max(0.5, none_above))

    is_ok = confidences_of_all >= close_above
    labels_of_all = np.concatenate([labels[by_look], unsure])
    is_digit = labels_of_all < SEVERAL
    wrong, ok = int((is_ok & is_digit & ~right_of_all).sum()), int((is_ok & is_digit).sum())
    return rules, {
        "scenes": len(labels),
        "digits": digits,
        "digits_right": int((right_of_all & is_digit).sum()),
        "look_ok": int(by_look.sum()),
        "ok": ok,
        "wrong": wrong,
        "wrong_interval": [round(end, 6) for end in wilson_interval(wrong, ok)],
        **{
            name: [int((is_ok & (labels_of_all == label)).sum()), int((labels == label).sum())]
            for name, label in (("several", SEVERAL), ("none", NONE))
        },
        "unsure": len(unsure),
    }


def _answers(likely: Array, labels: npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the probability of the most likely digit of each scene, and whether it is right."""
    digits = likely[:, :SEVERAL]
    return digits.max(axis=1), digits.argmax(axis=1) == labels


def fit_weights(parts: list[Array], labels: npt.NDArray[np.int64], prior: Logits, counts: Array) -> Array:
    """Find the weights under which the labels are most likely, by Newton's method on a convex loss.

    Args:
        parts: Logits to weigh, (n, 12) each.
        labels: Labels, (n,).
        prior: What is added to the weighed logits, (12,).
        counts: How much each label counts, (n,).

    Returns:
        A weight for each part, 0 to `MAX_WEIGHT`; 0 if there are no labels.
    """
    if not len(labels):
        return np.zeros(len(parts))
    stack = np.stack(parts)
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
    several, none = figures["several"], figures["none"]
    return (
        f"Weights and thresholds were fitted on {figures['scenes']:,} held-out scenes, for at most"
        f" {LOOK_RISK:.1%} wrong among the look's answers and {RISK:.1%} among all ok. Of"
        f" {figures['digits']:,} digits, {figures['digits_right']:,} are read right and {figures['ok']:,} are"
        f" ok, {figures['wrong']} of these wrong (95% interval {low:.2%} to {high:.2%}). Of {several[1]:,}"
        f" scenes of several digits, {several[0]} are ok, and {none[0]} of {none[1]:,} of no digit. The look"
        f" answers {figures['look_ok']:,} of all scenes alone, and of {figures['unsure']:,} it is not sure."
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
    model_store.rewrite_card(model_dir, manifest, model_card.text(manifest))
    return manifest.look_fit


def fitted(manifest: Manifest, files: Mapping[str, bytes], packed: Packed, count: int) -> Manifest:
    """Return the manifest of a model with weights and thresholds fitted on held-out scenes.

    Args:
        manifest: Manifest of a model with looks.
        files: Content of its networks by file name.
        packed: The packed data sets.
        count: Held-out scenes to render.
    """
    looks = Looks(look_networks.build(files, manifest), LookRules.of(manifest))
    seen = see(looks, Renderer(Sources(packed, held_out=True), SEED), count)
    rules, figures = fit(seen, calibration.fit_temperature(seen.look, seen.labels))
    return with_rules(manifest, rules, say(figures))


def with_rules(manifest: Manifest, rules: LookRules, fit: str) -> Manifest:
    """Return the manifest with other rules.

    Args:
        manifest: Manifest of a model with looks.
        rules: The rules.
        fit: How they were fitted, in words.
    """
    return dataclasses.replace(
        manifest,
        temperature=round(rules.temperature, 4),
        look_above=round(rules.above, 4),
        look_several_prior=rules.several_prior,
        look_none_prior=rules.none_prior,
        look_look_weight=round(rules.look_weight, 4),
        look_close_weight=round(rules.close_weight, 4),
        look_place_weight=round(rules.place_weight, 4),
        review_below=round(rules.close_above, 4),
        look_several_above=rules.several_above,
        refuse_above=round(rules.none_above, 4),
        look_fit=fit,
    )


@click.command()
@click.argument("model_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sources", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--scenes",
    type=click.IntRange(min=100),
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
