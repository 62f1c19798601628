"""The robustness table: how the default model reads scans under each condition.

`python -m batch.training.evaluation.robustness DIGITS.npz [FOLDER...]` renders the digits (arrays x and y, or
x_test and y_test) under named conditions, and corrupts them as MNIST-C does. The default model reads them and
the folders of labelled scans. The table goes to stdout as Markdown.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.inference import model_store, models
from batch.inference.models import Model
from batch.records import Grey
from batch.training.data import labelled_scans
from batch.training.data.labelled_scans import LabelledScan
from batch.training.evaluation import compare
from batch.training.evaluation.corruptions import CORRUPTIONS
from batch.training.rendering.appearance import Appearance
from batch.training.rendering.conditions import CONDITIONS
from batch.training.rendering.render import render

SEED = 7
DIGITS = 1000  # of each condition


class Counts(NamedTuple):
    """Counts of some scans.

    Attributes:
        scans: All of them.
        right: Those that the model reads right. A refused scan counts as wrong.
        ok: Those that it answers `ok`.
        wrong: The wrong ones among those that are `ok`.
    """

    scans: int
    right: int
    ok: int
    wrong: int


def count(scans: list[tuple[Grey, int]], model: Model) -> Counts:
    """Count how a model reads scans.

    Args:
        scans: Images with the digit that each shows.
        model: The model that reads them.
    """
    answers = compare.answers(model, scans)
    wrong = answers.ok & ~answers.right
    return Counts(len(scans), int(answers.right.sum()), int(answers.ok.sum()), int(wrong.sum()))


def rendered(digits: list[tuple[Grey, int]], look: Appearance) -> list[tuple[Grey, int]]:
    """Render the digits as scans of one appearance, seeded."""
    rng = np.random.default_rng(SEED)
    return [(render(digit, look, rng), label) for digit, label in digits]


def _corrupted(digits: list[tuple[Grey, int]], name: str) -> list[tuple[Grey, int]]:
    """Apply one of MNIST-C's corruptions to the digits, seeded."""
    rng = np.random.default_rng(SEED)
    return [(CORRUPTIONS[name](digit, rng), label) for digit, label in digits]


def _images_of(scans: list[LabelledScan]) -> list[tuple[Grey, int]]:
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
    every = _images_of(labelled_scans.load(sources[0], scratch, _say))
    chosen = np.random.default_rng(SEED).permutation(len(every))[:DIGITS]
    digits = [every[place] for place in chosen]
    yield "digits", "as they are", digits
    for name, look in CONDITIONS.items():
        yield "rendered", name, rendered(digits, look)
    for name in CORRUPTIONS:
        yield "corrupted", name.replace("_", " "), _corrupted(digits, name)
    for folder in sources[1:]:
        yield "scans", Path(folder).name, _images_of(labelled_scans.load(folder, scratch, _say))


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    model = models.load(model_store.find(None))
    print(f"Model `{model.manifest.version}`.\n")
    print("| | | scans | right | ok | wrong among ok |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        totals: dict[str, list[Counts]] = {}
        for kind, name, scans in sets(sys.argv[1:], Path(scratch)):
            counts = count(scans, model)
            totals.setdefault(kind, []).append(counts)
            print(_row(kind, name, counts), flush=True)
        for kind, rows in totals.items():
            if len(rows) > 1:
                print(_row(kind, "**all**", Counts(*map(sum, zip(*rows, strict=True)))))


def _row(kind: str, name: str, counts: Counts) -> str:
    right, ok = (f"{part / counts.scans:.1%}" for part in (counts.right, counts.ok))
    return f"| {kind} | {name} | {counts.scans} | {right} | {ok} | {counts.wrong} |"


if __name__ == "__main__":
    main()
