"""Training examples: digits of several kinds, drawings and pictures that are no digit, and own scans.

Every example passes through the preprocessing and the gate of a real scan. So the network trains on what it
will see.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from batch.inference import steps
from batch.inference.classifier import Digits
from batch.preprocessing.views import normalise
from batch.records import Grey, PreprocessSpec, Reason
from batch.training.data.datasets import NOT_A_DIGIT, Labelled
from batch.training.rendering import non_digits, strokes
from batch.training.rendering.appearance import Appearance, random_appearance, varied_appearance
from batch.training.rendering.conditions import random_condition
from batch.training.rendering.render import render

PARTS = 16  # parts of an epoch; each has a seed of its own, so the number of workers does not matter
AS_IS, VARIED, RENDERED, DRAWN, NONE, OWN = range(6)  # the kinds of examples; they index the shares
SHARES = (0.14, 0.2, 0.39, 0.12, 0.15, 0.0)  # of each kind in a training without own scans
OWN_SHARE = 0.25  # of the examples are own scans, if the user gives any
PRACTICE_SHARES = (0.0, 0.0, 0.73, 0.12, 0.15, 0.0)  # of each kind, of paper under named conditions only
# Shares of the labels among drawn digits. MNIST lacks styles of 1 and 7 most.
DRAWN_SHARES = (0.07, 0.24, 0.08, 0.08, 0.09, 0.07, 0.06, 0.18, 0.06, 0.07)
# Shares among the examples that are no digit. Drawings make up the rest.
PICTURE_SHARE = 0.2  # like photos
PAPER_SHARE = 0.08  # paper with nothing written on it
OTHERS_SHARE = 0.35  # from the data sets
# The gate refuses some of what is no digit. A few of these stay, because something similar may pass the gate.
KEPT_REFUSED_FRACTION = 0.15

AppearanceOf = Callable[[np.random.Generator], Appearance]
"""Draws the appearance of one scan."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The images that examples are made of.

    Attributes:
        digits: Digits to take as they are and to render.
        others: Sets of images that are no digits, uint8 (n, 28, 28), white on black, to take as they are
            and to render.
        own: Scans with their labels, 0 to 9 or `NOT_A_DIGIT`, to take slightly varied.
    """

    digits: Labelled
    others: Sequence[Grey] = ()
    own: Sequence[tuple[Grey, int]] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each kind of examples, adding up to 1."""
        if not self.own:
            return SHARES
        return (*(share * (1 - OWN_SHARE) for share in SHARES[:OWN]), OWN_SHARE)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The input of a network with its labels.

    Attributes:
        digits: The model's input, uint8 (n, 28, 28, channels).
        labels: Labels, int32 (n,), 0 to 9 or `NOT_A_DIGIT`.
        kinds: The kind of each example, uint8 (n,), e.g. `RENDERED`.
    """

    digits: Digits
    labels: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]

    def take(self, mask: npt.NDArray[np.bool_]) -> Examples:
        """Return the examples where a mask, (n,), is true."""
        return Examples(self.digits[mask], self.labels[mask], self.kinds[mask])


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Join several sets of examples, in their order."""
    return Examples(
        np.concatenate([part.digits for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.kinds for part in parts]),
    )


def plain(material: Material, spec: PreprocessSpec) -> Examples:
    """Return digits and own scans as they are, in their order, without those that the gate refuses."""
    scans = list(zip(material.digits.images, material.digits.labels.tolist(), strict=True))
    digits: list[Digits] = []
    labels: list[int] = []
    for scan, label in [*scans, *material.own]:
        digit = steps.prepare(scan, spec).digit
        if digit is not None:
            digits.append(digit)
            labels.append(label)
    stack = np.stack(digits) if digits else np.zeros((0, 28, 28, spec.channels), np.uint8)
    return Examples(stack, np.array(labels, np.int32), np.full(len(labels), AS_IS, np.uint8))


def rendered(material: Material, spec: PreprocessSpec, count: int, seed: int) -> Examples:
    """Make a seeded mixture of all kinds for training. Much of it is harder than what people scan.

    Args:
        material: Images to make the examples of.
        spec: What the model's input is made of.
        count: Number of examples.
        seed: Seed of every choice.
    """
    return _mixture(material, spec, count, seed, material.shares, random_appearance)


def in_practice(material: Material, spec: PreprocessSpec, count: int, seed: int) -> Examples:
    """Make a seeded mixture of scans, each under one of the named conditions, which are equally likely.

    Args:
        material: Images to make the examples of. Its own scans are not used.
        spec: What the model's input is made of.
        count: Number of examples.
        seed: Seed of every choice.
    """
    return _mixture(material, spec, count, seed, PRACTICE_SHARES, random_condition)


def _mixture(
    material: Material,
    spec: PreprocessSpec,
    count: int,
    seed: int,
    shares: tuple[float, ...],
    appearance_of: AppearanceOf,
) -> Examples:
    rng = np.random.default_rng(seed)
    digits: list[Digits] = []
    labels: list[int] = []
    kinds: list[int] = []
    while len(labels) < count:
        kind = int(rng.choice(len(shares), p=shares))
        scan, label = _scan(kind, material, rng, appearance_of)
        ink, refusal, digit = steps.prepare(scan, spec)
        if ink.is_blank:
            continue
        if refusal is not None and (
            kind != NONE or refusal is Reason.BLANK or rng.random() > KEPT_REFUSED_FRACTION
        ):
            continue
        digits.append(normalise(ink, spec) if digit is None else digit)
        labels.append(label)
        kinds.append(kind)
    return Examples(np.stack(digits), np.array(labels, np.int32), np.array(kinds, np.uint8))


def epochs(
    material: Material, spec: PreprocessSpec, *, epochs: int, count: int, seed: int, workers: int
) -> Generator[Examples]:
    """Yield epochs of new examples. The workers render the next one while one is in use.

    Args:
        material: Images to make the examples of.
        spec: What the model's input is made of.
        epochs: Number of epochs.
        count: Examples in an epoch.
        seed: The same seed gives the same epochs, whatever the number of workers.
        workers: Number of rendering processes.
    """
    # TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(material, spec))
    sizes = [count // PARTS + (part < count % PARTS) for part in range(PARTS)]
    try:
        futures = _submit(pool, sizes, seed, 0)
        for next_epoch in range(1, epochs + 1):
            parts = [future.result() for future in futures]
            if next_epoch < epochs:
                futures = _submit(pool, sizes, seed, next_epoch)
            yield concatenate(parts)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, sizes: list[int], seed: int, epoch: int) -> list[Future[Examples]]:
    seeds = np.random.SeedSequence([seed, epoch]).generate_state(len(sizes)).tolist()
    return [
        pool.submit(_render_part, size, part_seed)
        for size, part_seed in zip(sizes, seeds, strict=True)
        if size
    ]


_worker: tuple[Material, PreprocessSpec] | None = None


def _start_worker(material: Material, spec: PreprocessSpec) -> None:
    global _worker
    cv2.setNumThreads(1)
    _worker = material, spec


def _render_part(count: int, seed: int) -> Examples:
    assert _worker is not None
    return rendered(*_worker, count, seed)


def _scan(
    kind: int, material: Material, rng: np.random.Generator, appearance_of: AppearanceOf
) -> tuple[Grey, int]:
    """Make a scan of a kind, and return it with its label."""
    digits = material.digits
    if kind == OWN:
        scan, label = material.own[int(rng.integers(len(material.own)))]
        return _vary(scan, rng), label
    if kind == NONE:
        return _non_digit(material, rng, appearance_of), NOT_A_DIGIT
    if kind == DRAWN:
        label = int(rng.choice(10, p=DRAWN_SHARES))
        return render(strokes.draw(label, rng), appearance_of(rng), rng), label
    index = int(rng.integers(len(digits)))
    image, label = digits.images[index], int(digits.labels[index])
    if kind == AS_IS:
        return image, label
    return render(image, varied_appearance(rng) if kind == VARIED else appearance_of(rng), rng), label


def _non_digit(material: Material, rng: np.random.Generator, appearance_of: AppearanceOf) -> Grey:
    draw = rng.random()
    if draw < PICTURE_SHARE:
        return non_digits.picture(rng)
    if draw < PICTURE_SHARE + PAPER_SHARE:
        return render(np.zeros((28, 28), np.uint8), appearance_of(rng), rng)
    if not material.others or draw > PICTURE_SHARE + PAPER_SHARE + OTHERS_SHARE:
        return render(non_digits.draw(rng, material.digits.images), appearance_of(rng), rng)
    images = material.others[int(rng.integers(len(material.others)))]
    image = images[int(rng.integers(len(images)))]
    return image if rng.random() < 0.5 else render(image, appearance_of(rng), rng)


def _vary(scan: Grey, rng: np.random.Generator) -> Grey:
    """Turn a scan by a few degrees and scale it by a few per cent."""
    height, width = scan.shape
    matrix = cv2.getRotationMatrix2D(
        (width / 2, height / 2), rng.normal(0, 4), float(np.exp(rng.normal(0, 0.05)))
    )
    return np.asarray(
        cv2.warpAffine(scan, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
