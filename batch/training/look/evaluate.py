"""The figures of a look: its temperature and thresholds from held-out scenes, and what numbers it answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.intervals import wilson_interval
from batch.preprocessing.look import look_input
from batch.training import calibration
from batch.training.evaluation.number_scans import LAYOUTS
from batch.training.look.mixture import NONE, SEVERAL
from batch.training.look.sources import Sources

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

RISKS = (0.003, 0.001)  # the highest shares of wrong answers among the answered ones
NUMBERS = 200  # made-up numbers of each layout
NUMBERS_SEED = 7


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
    rng = np.random.default_rng(NUMBERS_SEED)
    digits = np.concatenate(sources.raw["mnist"])
    return {
        layout: np.stack([look_input(draw(rng, digits)) for _ in range(NUMBERS)])
        for layout, draw in LAYOUTS.items()
    }
