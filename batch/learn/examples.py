"""Training examples: digits as they are, rendered as scans, drawn, and things that are none.

Every example passes through the very preprocessing and gate of a real scan, so that the network is
trained on what it will see.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from batch.digits import preprocess, quality
from batch.learn import not_digits, strokes
from batch.learn.datasets import Labelled
from batch.learn.render import random_look, render
from batch.records import Grey, PreprocessSpec, Reason

NOT_A_DIGIT = 10
PARTS = 16  # an epoch is rendered in so many pieces
# Kinds of examples and their shares.
AS_IS, RENDERED, DRAWN, NONE = range(4)
SHARES = (0.16, 0.60, 0.14, 0.10)
# Of the drawn digits: 1 and 7 are those whose styles MNIST lacks most.
DRAWN_SHARES = (0.07, 0.24, 0.08, 0.08, 0.09, 0.07, 0.06, 0.18, 0.06, 0.07)
# The gate refuses some of what is no digit; a few of these stay, for the gate may be passed otherwise.
REFUSED_KEPT = 0.15

Inputs = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a network is trained on.

    Attributes:
        digits: uint8 (n, 28, 28, views).
        labels: int32 (n,), 0 to 10.
        kinds: uint8 (n,), index into `SHARES`.
    """

    digits: Inputs
    labels: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]


def plain(labelled: Labelled, spec: PreprocessSpec) -> Examples:
    """The digits as they are, through the preprocessing; those that the gate refuses are left out."""
    digits, places = [], []
    for place, image in enumerate(labelled.images):
        ink = preprocess.find_ink(image)
        if quality.inspect(ink) is None:
            digits.append(preprocess.normalise(ink, spec))
            places.append(place)
    kinds = np.full(len(places), AS_IS, np.uint8)
    return Examples(np.stack(digits), labelled.labels[places], kinds)


def rendered(labelled: Labelled, spec: PreprocessSpec, count: int, seed: int) -> Examples:
    """A seeded mixture of all kinds.

    Args:
        labelled: digits to render.
        spec: of the preprocessing.
        count: how many.
        seed: of every choice.
    """
    rng = np.random.default_rng(seed)
    digits: list[Inputs] = []
    labels: list[int] = []
    kinds: list[int] = []
    while len(labels) < count:
        kind = int(rng.choice(len(SHARES), p=SHARES))
        scan, label = _scan(kind, labelled, rng)
        ink = preprocess.find_ink(scan)
        if ink.is_blank:
            continue
        refusal = quality.inspect(ink)
        if refusal is not None and (kind != NONE or refusal is Reason.BLANK or rng.random() > REFUSED_KEPT):
            continue
        digits.append(preprocess.normalise(ink, spec))
        labels.append(label)
        kinds.append(kind)
    return Examples(np.stack(digits), np.array(labels, np.int32), np.array(kinds, np.uint8))


def epochs(
    labelled: Labelled, spec: PreprocessSpec, *, epochs: int, count: int, seed: int, workers: int
) -> Generator[Examples]:
    """Yields epochs of new examples; the next one is rendered while one is in use.

    Args:
        labelled: digits to render.
        spec: of the preprocessing.
        epochs: how many.
        count: examples an epoch.
        seed: the same seed gives the same epochs, whatever the number of workers.
        workers: rendering processes.
    """
    # Not forked: TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(labelled, spec))
    sizes = [count // PARTS + (part < count % PARTS) for part in range(PARTS)]
    try:
        waiting = _submitted(pool, sizes, seed, 0)
        for following in range(1, epochs + 1):
            parts = [future.result() for future in waiting]
            if following < epochs:
                waiting = _submitted(pool, sizes, seed, following)
            yield Examples(
                np.concatenate([part.digits for part in parts]),
                np.concatenate([part.labels for part in parts]),
                np.concatenate([part.kinds for part in parts]),
            )
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, sizes: list[int], seed: int, epoch: int) -> list[Future[Examples]]:
    seeds = np.random.SeedSequence([seed, epoch]).generate_state(len(sizes)).tolist()
    return [pool.submit(_render_part, size, part) for size, part in zip(sizes, seeds, strict=True) if size]


_worker: tuple[Labelled, PreprocessSpec] | None = None


def _start_worker(labelled: Labelled, spec: PreprocessSpec) -> None:
    global _worker
    cv2.setNumThreads(1)
    _worker = labelled, spec


def _render_part(count: int, seed: int) -> Examples:
    assert _worker is not None
    return rendered(*_worker, count, seed)


def _scan(kind: int, labelled: Labelled, rng: np.random.Generator) -> tuple[Grey, int]:
    if kind == NONE:
        return render(not_digits.draw(rng, labelled.images), random_look(rng), rng), NOT_A_DIGIT
    if kind == DRAWN:
        label = int(rng.choice(10, p=DRAWN_SHARES))
        return render(strokes.draw(label, rng), random_look(rng), rng), label
    place = int(rng.integers(len(labelled)))
    image, label = labelled.images[place], int(labelled.labels[place])
    return (image if kind == AS_IS else render(image, random_look(rng), rng)), label
