"""Figures of merit: accuracy with its interval, confusion, calibration, risk and coverage, AUROC."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]
Values = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

Z_95 = 1.959963984540054


def wilson_interval(successes: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927).

    Args:
        successes: from 0 to n.
        n: number of trials.
        z: quantile of the normal distribution; the default is for 95 %.

    Returns:
        Lower and upper end, 0 to 1; (0, 1) for n = 0.
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def confusion_matrix(labels: Labels, predictions: Labels, classes: int = 10) -> npt.NDArray[np.int64]:
    """Counts, (classes, classes): row is the label, column the prediction."""
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predictions, np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def expected_calibration_error(confidences: Values, correct: Flags, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal bins of confidence (Naeini et al. 2015).

    Args:
        confidences: (n,), 0 to 1.
        correct: (n,).
        bins: how many.

    Returns:
        0 to 1; 0 for n = 0.
    """
    if len(confidences) == 0:
        return 0.0
    place = np.minimum((np.asarray(confidences) * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, np.asarray(correct, np.float64) - confidences, bins)
    return float(np.abs(gaps).sum() / len(confidences))


def risk_coverage(
    confidences: Values, correct: Flags, weights: Values | None = None
) -> tuple[Values, Values, Values]:
    """Share of wrong answers against share answered, for every threshold (El-Yaniv and Wiener 2010).

    Args:
        confidences: (n,), 0 to 1.
        correct: (n,).
        weights: (n,), above 0, how much each counts; None for all alike.

    Returns:
        Coverage, risk and threshold, (k,) each, coverage rising. Equal confidences are one threshold.
    """
    if len(confidences) == 0:
        empty = np.zeros(0)
        return empty, empty, empty
    order = np.argsort(-np.asarray(confidences, np.float64), kind="stable")
    levels = np.asarray(confidences, np.float64)[order]
    counts = np.ones(len(levels)) if weights is None else np.asarray(weights, np.float64)[order]
    wrong = np.cumsum(counts * ~np.asarray(correct, bool)[order])
    last = np.flatnonzero(np.append(levels[1:] != levels[:-1], True))
    answered = np.cumsum(counts)[last]
    return answered / counts.sum(), wrong[last] / answered, levels[last]


def auroc(scores: Values, positive: Flags) -> float:
    """Chance that a random positive scores above a random negative, ties counting half.

    Args:
        scores: (n,).
        positive: (n,), with at least one of each kind, or the result is nan.

    Returns:
        0 to 1.
    """
    positive = np.asarray(positive, bool)
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return math.nan
    _, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2  # the mean rank of equal scores
    return float((ranks[place][positive].sum() - count * (count + 1) / 2) / (count * others))


def mcnemar(only_one: int, only_other: int) -> float:
    """Exact two-sided test of whether two classifiers err equally often on the same cases (McNemar 1947).

    Args:
        only_one: cases that only the first has right.
        only_other: cases that only the other has right.

    Returns:
        The probability of a difference at least as large when there is none; 1 where they never differ.
    """
    n = only_one + only_other
    tail = sum(math.comb(n, k) for k in range(min(only_one, only_other) + 1))
    return min(1.0, 2 * tail / 2**n)
