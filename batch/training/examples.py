"""Training examples: digits as they are, varied, as scans, drawn; things that are none; and own scans.

Every example passes through the very preprocessing and gate of a real scan, so that the network is
trained on what it will see.
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
from batch.preprocessing.views import normalise
from batch.records import Grey, PreprocessSpec, Reason
from batch.training.data.datasets import NOT_A_DIGIT, Labelled
from batch.training.rendering import non_digits, strokes
from batch.training.rendering.appearance import Appearance, random_appearance, varied_appearance
from batch.training.rendering.conditions import random_condition
from batch.training.rendering.render import render

PARTS = 16  # an epoch is rendered in so many pieces
# Kinds of examples and their shares.
AS_IS, VARIED, RENDERED, DRAWN, NONE, OWN = range(6)
SHARES = (0.14, 0.2, 0.39, 0.12, 0.15, 0.0)
OWN_SHARE = 0.25  # where there are own scans
# Of the same kinds, those that are on paper, each under one named condition.
PRACTICE_SHARES = (0.0, 0.0, 0.73, 0.12, 0.15, 0.0)
# Of the drawn digits: 1 and 7 are those whose styles MNIST lacks most.
DRAWN_SHARES = (0.07, 0.24, 0.08, 0.08, 0.09, 0.07, 0.06, 0.18, 0.06, 0.07)
# Of what is no digit: pictures, which are not even drawings; paper with nothing written on it; and what the
# data sets bring of it.
PICTURE_SHARE = 0.2
PAPER_SHARE = 0.08
OTHERS_SHARE = 0.35
# The gate refuses some of what is no digit; a few of these stay, for the gate may be passed otherwise.
REFUSED_KEPT = 0.15

Inputs = npt.NDArray[np.uint8]
LookOf = Callable[[np.random.Generator], Appearance]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What examples are made of.

    Attributes:
        digits: to take as they are and to render.
        others: sets of images that are no digits, uint8 (n, 28, 28), white on black, to take as they are
            and to render.
        own: scans with their labels, 0 to 9 or `NOT_A_DIGIT`, to take slightly varied.
    """

    digits: Labelled
    others: Sequence[Grey] = ()
    own: Sequence[tuple[Grey, int]] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """How often each kind is made."""
        if not self.own:
            return SHARES
        return (*(share * (1 - OWN_SHARE) for share in SHARES[:OWN]), OWN_SHARE)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a network is trained on.

    Attributes:
        digits: uint8 (n, 28, 28, channels).
        labels: int32 (n,), 0 to 10.
        kinds: uint8 (n,), index into `SHARES`, such as `RENDERED`.
    """

    digits: Inputs
    labels: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]

    def take(self, places: npt.NDArray[np.bool_]) -> Examples:
        """Those at the places marked."""
        return Examples(self.digits[places], self.labels[places], self.kinds[places])


def joined(parts: Sequence[Examples]) -> Examples:
    """One after the other."""
    return Examples(
        np.concatenate([part.digits for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.kinds for part in parts]),
    )


def plain(material: Material, spec: PreprocessSpec) -> Examples:
    """Digits and own scans as they are, through the preprocessing; what the gate refuses is left out."""
    scans = list(zip(material.digits.images, material.digits.labels.tolist(), strict=True))
    digits: list[Inputs] = []
    labels: list[int] = []
    for scan, label in [*scans, *material.own]:
        digit = steps.prepare(scan, spec).digit
        if digit is not None:
            digits.append(digit)
            labels.append(label)
    stack = np.stack(digits) if digits else np.zeros((0, 28, 28, spec.channels), np.uint8)
    return Examples(stack, np.array(labels, np.int32), np.full(len(labels), AS_IS, np.uint8))


def rendered(material: Material, spec: PreprocessSpec, count: int, seed: int) -> Examples:
    """A seeded mixture of all kinds, for training: much of it is harder than what people scan.

    Args:
        material: what they are made of.
        spec: of the preprocessing.
        count: how many.
        seed: of every choice.
    """
    return _mixture(material, spec, count, seed, material.shares, random_appearance)


def in_practice(material: Material, spec: PreprocessSpec, count: int, seed: int) -> Examples:
    """A seeded mixture of scans with one trouble each: the named conditions, each as often.

    Args:
        material: what they are made of; its own scans are left out.
        spec: of the preprocessing.
        count: how many.
        seed: of every choice.
    """
    return _mixture(material, spec, count, seed, PRACTICE_SHARES, random_condition)


def _mixture(
    material: Material,
    spec: PreprocessSpec,
    count: int,
    seed: int,
    shares: tuple[float, ...],
    look_of: LookOf,
) -> Examples:
    rng = np.random.default_rng(seed)
    digits: list[Inputs] = []
    labels: list[int] = []
    kinds: list[int] = []
    while len(labels) < count:
        kind = int(rng.choice(len(shares), p=shares))
        scan, label = _scan(kind, material, rng, look_of)
        ink, refusal, digit = steps.prepare(scan, spec)
        if ink.is_blank:
            continue
        if refusal is not None and (kind != NONE or refusal is Reason.BLANK or rng.random() > REFUSED_KEPT):
            continue
        digits.append(normalise(ink, spec) if digit is None else digit)
        labels.append(label)
        kinds.append(kind)
    return Examples(np.stack(digits), np.array(labels, np.int32), np.array(kinds, np.uint8))


def epochs(
    material: Material, spec: PreprocessSpec, *, epochs: int, count: int, seed: int, workers: int
) -> Generator[Examples]:
    """Yields epochs of new examples; the next one is rendered while one is in use.

    Args:
        material: what they are made of.
        spec: of the preprocessing.
        epochs: how many.
        count: examples an epoch.
        seed: the same seed gives the same epochs, whatever the number of workers.
        workers: rendering processes.
    """
    # Not forked: TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(material, spec))
    sizes = [count // PARTS + (part < count % PARTS) for part in range(PARTS)]
    try:
        waiting = _submitted(pool, sizes, seed, 0)
        for following in range(1, epochs + 1):
            parts = [future.result() for future in waiting]
            if following < epochs:
                waiting = _submitted(pool, sizes, seed, following)
            yield joined(parts)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, sizes: list[int], seed: int, epoch: int) -> list[Future[Examples]]:
    seeds = np.random.SeedSequence([seed, epoch]).generate_state(len(sizes)).tolist()
    return [pool.submit(_render_part, size, part) for size, part in zip(sizes, seeds, strict=True) if size]


_worker: tuple[Material, PreprocessSpec] | None = None


def _start_worker(material: Material, spec: PreprocessSpec) -> None:
    global _worker
    cv2.setNumThreads(1)
    _worker = material, spec


def _render_part(count: int, seed: int) -> Examples:
    assert _worker is not None
    return rendered(*_worker, count, seed)


def _scan(kind: int, material: Material, rng: np.random.Generator, look_of: LookOf) -> tuple[Grey, int]:
    digits = material.digits
    if kind == OWN:
        scan, label = material.own[int(rng.integers(len(material.own)))]
        return _varied(scan, rng), label
    if kind == NONE:
        return _no_digit(material, rng, look_of), NOT_A_DIGIT
    if kind == DRAWN:
        label = int(rng.choice(10, p=DRAWN_SHARES))
        return render(strokes.draw(label, rng), look_of(rng), rng), label
    place = int(rng.integers(len(digits)))
    image, label = digits.images[place], int(digits.labels[place])
    if kind == AS_IS:
        return image, label
    return render(image, varied_appearance(rng) if kind == VARIED else look_of(rng), rng), label


def _no_digit(material: Material, rng: np.random.Generator, look_of: LookOf) -> Grey:
    choice = rng.random()
    if choice < PICTURE_SHARE:
        return non_digits.picture(rng)
    if choice < PICTURE_SHARE + PAPER_SHARE:
        return render(np.zeros((28, 28), np.uint8), look_of(rng), rng)
    if not material.others or choice > PICTURE_SHARE + PAPER_SHARE + OTHERS_SHARE:
        return render(non_digits.draw(rng, material.digits.images), look_of(rng), rng)
    images = material.others[int(rng.integers(len(material.others)))]
    image = images[int(rng.integers(len(images)))]
    return image if rng.random() < 0.5 else render(image, look_of(rng), rng)


def _varied(scan: Grey, rng: np.random.Generator) -> Grey:
    """Turns a scan by a few degrees and stretches it by a few per cent."""
    height, width = scan.shape
    turn = cv2.getRotationMatrix2D(
        (width / 2, height / 2), rng.normal(0, 4), float(np.exp(rng.normal(0, 0.05)))
    )
    return np.asarray(cv2.warpAffine(scan, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
