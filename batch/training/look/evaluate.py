"""The figures of a look: its temperature and thresholds from held-out scenes, and what numbers it answers."""

from __future__ import annotations

from random import Random
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.intervals import wilson_interval
from batch.preprocessing.look import look_input
from batch.records import Grey
from batch.training import calibration
from batch.training.look.mixture import NONE, SEVERAL
from batch.training.look.sources import Sources

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

RISKS = (0.003, 0.001)  # the highest shares of wrong answers among the answered ones
NUMBERS = 200  # made-up numbers of each layout
NUMBERS_SEED = 7
# Gaps between the digits in pixels of MNIST, and whether the number runs down.
LAYOUTS = {"close": (0, 4, False), "gaps": (8, 30, False), "columns": (3, 20, True)}
COUNTS = (2, 2, 2, 3, 3, 4, 5, 6)  # digits of a number
COLUMN_COUNTS = (2, 2, 3)
INK_LEVEL = 50  # brighter pixels of MNIST are ink


def fit(logits: Logits, labels: Labels) -> tuple[float, dict[str, float]]:
    """Fit the temperature, and the threshold for each risk.

    Args:
        logits: Logits of held-out scenes, (n, 12), of the model that ships.
        labels: Their labels, (n,).

    Returns:
        The temperature, and thresholds of the confidence by risk. An answer at or above one stands. A
        threshold and its coverage come from the same scenes, so the coverage is a little hopeful.
    """
    temperature = calibration.fit_temperature(logits, labels)
    likely = decision.probabilities(logits, "softmax", temperature)
    best = likely.argmax(axis=1)
    is_answer = best < SEVERAL
    confidences, correct = likely.max(axis=1)[is_answer], (best == labels)[is_answer]
    return temperature, {
        str(risk): calibration.threshold_for_risk(confidences, correct, risk) for risk in RISKS
    }


def figures(
    logits: Logits, labels: Labels, temperature: float, thresholds: dict[str, float]
) -> dict[str, Any]:
    """Return what a look makes of scenes, with the number of scenes that each figure is from.

    Args:
        logits: Logits, (n, 12).
        labels: Labels, (n,).
        temperature: Temperature of the look.
        thresholds: Thresholds by risk.
    """
    likely = decision.probabilities(logits, "softmax", temperature)
    best, is_digit = likely.argmax(axis=1), labels < SEVERAL
    right = (likely[:, :SEVERAL].argmax(axis=1) == labels)[is_digit]
    result: dict[str, Any] = {"n": len(labels), "digits": int(is_digit.sum())}
    result["digits_right"] = int(right.sum())
    result["digits_right_interval"] = _rounded(wilson_interval(int(right.sum()), len(right)))
    for name, label in (("several", SEVERAL), ("none", NONE)):
        result[name] = int((labels == label).sum())
        result[f"{name}_right"] = int((best == label)[labels == label].sum())
    for risk, threshold in thresholds.items():
        answered = (best < SEVERAL) & (likely.max(axis=1) >= threshold)
        wrong = int((answered & (best != labels)).sum())
        result[f"at_{risk}"] = {
            "answered": int(answered.sum()),
            "digits_answered": int((answered & is_digit).sum()),
            "wrong": wrong,
            "wrong_interval": _rounded(wilson_interval(wrong, int(answered.sum()))),
        }
    return result


def _rounded(interval: tuple[float, float]) -> list[float]:
    return [round(end, 6) for end in interval]


def numbers(sources: Sources) -> dict[str, npt.NDArray[np.uint8]]:
    """Make up numbers of two to six digits, not by the renderer, from held-out digits of MNIST.

    Returns:
        Pictures of numbers, (n, 64, 64), by layout.
    """
    random = Random(NUMBERS_SEED)  # noqa: S311 (no secret)
    digits = [image for images in sources.raw["mnist"] for image in images]
    result = {}
    for name, (low, high, down) in LAYOUTS.items():
        scans = [_number(digits, low, high, down, random) for _ in range(NUMBERS)]
        result[name] = np.stack([look_input(scan) for scan in scans])
    return result


def _number(digits: list[Grey], low: int, high: int, down: bool, random: Random) -> Grey:
    """Put digits side by side, or one under another, on slightly noisy paper."""
    count = random.choice(COLUMN_COUNTS if down else COUNTS)
    images = [_ink(random.choice(digits)) for _ in range(count)]
    if down:
        images = [np.ascontiguousarray(image.T) for image in images]
    height = max(image.shape[0] for image in images)
    parts = []
    for index, image in enumerate(images):
        gap = random.randint(low, high) if index < count - 1 else 0
        above = (height - image.shape[0]) // 2
        below = height - image.shape[0] - above
        parts.append(cv2.copyMakeBorder(image, above, below, 0, gap, cv2.BORDER_CONSTANT, value=0))
    ink = np.hstack(parts)
    ink = np.ascontiguousarray(ink.T) if down else ink
    top, bottom, left, right = (random.randint(3, 14) for _ in range(4))
    ink = cv2.copyMakeBorder(ink, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
    scale = random.choice((1, 2, 3))
    ink = cv2.resize(ink, (ink.shape[1] * scale, ink.shape[0] * scale), interpolation=cv2.INTER_CUBIC).astype(
        np.float32
    )
    noise = np.random.default_rng(random.randrange(2**31)).normal(0, random.uniform(0, 4), ink.shape)
    paper, depth = random.uniform(200, 255), random.uniform(0.5, 0.85)
    return np.clip(paper - ink * depth + noise, 0, 255).astype(np.uint8)


def _ink(image: Grey) -> Grey:
    left, top, width, height = cv2.boundingRect((image > INK_LEVEL).view(np.uint8))
    return image[top : top + height, left : left + width]
