"""The robustness table: the accuracy under each condition, with and without each step of the preprocessing.

`python -m batch.training.evaluation.robustness DIGITS.npz [FOLDER...]` renders the digits (arrays x and y, or
x_test and y_test) under named conditions, and corrupts them as MNIST-C does. The default model reads them and
the folders of labelled scans, without its look, which needs no preprocessing. The table goes to stdout as
Markdown.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.inference import model_store, steps
from batch.inference.models import Model
from batch.inference.reader import Reader
from batch.preprocessing import ink, views
from batch.records import Grey, Polarity, Status
from batch.training.data import labelled_scans
from batch.training.data.labelled_scans import LabelledScan
from batch.training.evaluation.corruptions import CORRUPTIONS
from batch.training.rendering.appearance import Appearance
from batch.training.rendering.conditions import CONDITIONS
from batch.training.rendering.render import render

SEED = 7
SCANS_AT_ONCE = 256
DIGITS = 1000  # of each condition


@contextmanager
def _without(name: str, value: object) -> Iterator[None]:
    """Replace a step of the preprocessing for a while."""
    with mock.patch.object(ink, name, value):
        yield


@contextmanager
def _with_constant(step: ModuleType, name: str, field: str, value: float) -> Iterator[None]:
    """Replace one constant of a step for a while; `name` is that of the step's record."""
    with mock.patch.object(step, name, dataclasses.replace(getattr(step, name), **{field: value})):
        yield


# The whole preprocessing, and without one step each.
VARIANTS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "all": nullcontext,
    "no polarity": lambda: _without("estimate_polarity", lambda _: Polarity.LIGHT_ON_DARK),
    "no background": lambda: _without(
        "estimate_background", lambda paper: np.full_like(paper, np.median(paper))
    ),
    "no lines": lambda: _without("find_lines", lambda mask: (np.zeros_like(mask), np.zeros_like(mask))),
    "no second look": lambda: _with_constant(ink, "INK", "zoom_fraction", 0.0),
    "no thickening": lambda: _with_constant(views, "VIEWS", "thin_stroke_px", 0.0),
}


def accuracy(scans: list[tuple[Grey, int]], model: Model, variant: str = "all") -> float:
    """Return the share of scans that the model reads right without its look. A refused scan counts as wrong.

    Args:
        scans: Images with the digit that each shows.
        model: The model that reads them.
        variant: The variant of the preprocessing, a name of `VARIANTS`.
    """
    with VARIANTS[variant]():
        examined = steps.examine_all([image for image, _ in scans], model._replace(looks=None))
    right = 0
    for start in range(0, len(examined), SCANS_AT_ONCE):
        part = slice(start, start + SCANS_AT_ONCE)
        for decision, (_, label) in zip(steps.decide_all(examined[part], model), scans[part], strict=True):
            if decision is not None and decision.status is not Status.REFUSED:
                right += decision.prediction.label == label
    return right / len(scans)


def rendered(digits: list[tuple[Grey, int]], look: Appearance) -> list[tuple[Grey, int]]:
    """Render the digits as scans of one appearance, seeded."""
    rng = np.random.default_rng(SEED)
    return [(render(digit, look, rng), label) for digit, label in digits]


def corrupted(digits: list[tuple[Grey, int]], name: str) -> list[tuple[Grey, int]]:
    """Apply one of MNIST-C's corruptions to the digits, seeded."""
    rng = np.random.default_rng(SEED)
    return [(CORRUPTIONS[name](digit, rng), label) for digit, label in digits]


def images_of(scans: list[LabelledScan]) -> list[tuple[Grey, int]]:
    """Return the images and labels of the readable scans that show a digit."""
    found = []
    for scan in scans:
        if scan.label is not None:
            try:
                found.append((decode.read(scan.ref, MAX_PIXELS).grey, scan.label))
            except ImageError:
                continue
    return found


def sets(sources: list[str], scratch: Path) -> Iterator[tuple[str, str, list[tuple[Grey, int]]]]:
    """Yield the kind, the name, and the images with labels of each row of the table."""
    every = images_of(labelled_scans.load(sources[0], scratch, _say))
    chosen = np.random.default_rng(SEED).permutation(len(every))[:DIGITS]
    digits = [every[place] for place in chosen]
    yield "digits", "as they are", digits
    for name, look in CONDITIONS.items():
        yield "rendered", name, rendered(digits, look)
    for name in CORRUPTIONS:
        yield "corrupted", name.replace("_", " "), corrupted(digits, name)
    for folder in sources[1:]:
        yield "scans", Path(folder).name, images_of(labelled_scans.load(folder, scratch, _say))


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    model = Reader(model_store.find(None), "litert", None, MAX_PIXELS).load()
    print(f"Model `{model.manifest.version}`, {DIGITS} digits a row, per cent right.\n")
    print("| | | " + " | ".join(VARIANTS) + " |\n|---|---|" + "---|" * len(VARIANTS))
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        means: dict[str, list[list[float]]] = {}
        for kind, name, scans in sets(sys.argv[1:], Path(scratch)):
            shares = [accuracy(scans, model, variant) for variant in VARIANTS]
            means.setdefault(kind, []).append(shares)
            print(
                f"| {kind} | {name} | " + " | ".join(f"{share:.1%}"[:-1] for share in shares) + " |",
                flush=True,
            )
        for kind, rows in means.items():
            mean = np.mean(rows, axis=0)
            if len(rows) > 1:
                print(f"| {kind} | **mean** | " + " | ".join(f"{share:.1%}"[:-1] for share in mean) + " |")


if __name__ == "__main__":
    main()
