"""Examples for the network that sees the place of the digit: what the looks before leave unsure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.inference import models
from batch.inference.decision import Logits
from batch.inference.look import LookRules, Looks, cut, glances_of
from batch.inference.look_networks import CLASSES
from batch.preprocessing.look import SIDE_PX, look_input
from batch.training.farm import retrying
from batch.training.look.mixture import Scene
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Sources
from batch.training.work_folder import load

SCENES = 64  # that the looks see together

# `before` are the weighed logits of the looks before.
EXAMPLE = np.dtype(
    [
        ("picture", np.uint8, (SIDE_PX, SIDE_PX)),
        ("label", np.uint8),
        ("before", np.float32, (CLASSES,)),
    ]
)


def unsure(looks: Looks, scenes: Sequence[Scene]) -> npt.NDArray[Any]:
    """Return the places in scenes that the looks before leave unsure, as EXAMPLE, (n,).

    Args:
        looks: The looks.
        scenes: Rendered scenes.
    """
    greys = [scene.grey for scene in scenes]
    pictures = [look_input(grey) for grey in greys]
    first = looks.look(pictures)
    rows = _unsure(looks.rules, [first])
    closer = looks.look_closer([greys[row] for row in rows], [pictures[row] for row in rows])
    seen = [first[rows], closer.logits]
    still = _unsure(looks.rules, seen)
    examples = np.zeros(len(still), EXAMPLE)
    weights = looks.rules.weights[-1]
    for example, row in zip(examples, still, strict=True):
        scene = scenes[rows[row]]
        example["picture"] = look_input(cut(scene.grey, closer.places[row]))
        example["label"] = scene.label
        example["before"] = sum(weight * logits[row] for weight, logits in zip(weights, seen, strict=False))
    return examples


def _unsure(rules: LookRules, seen: Sequence[Logits]) -> list[int]:
    """Return the rows of which digitbox is not sure after these looks."""
    return [
        row
        for row, glance in enumerate(glances_of(rules.weigh(seen)))
        if glance.confidence < rules.above[len(seen) - 1] and glance.several < rules.several_above
    ]


def render(model_dir: Path, packed: Path, seed: int, chunk: int) -> Iterator[bytes]:
    """Yield chunks of examples, see `batch.training.farm.Render`."""
    looks = models.load(model_dir).looks
    assert looks is not None
    scene = retrying(Renderer(Sources(load(packed)), seed).scene)
    waiting = np.zeros(0, EXAMPLE)
    while True:
        while len(waiting) < chunk:
            waiting = np.concatenate([waiting, unsure(looks, [scene() for _ in range(SCENES)])])
        yield waiting[:chunk].tobytes()
        waiting = waiting[chunk:]
