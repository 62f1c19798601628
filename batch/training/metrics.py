"""Measures of a model: confusion, calibration, risk and coverage, AUROC, and a test between two models."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]
Values = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

BINS = 15  # of the calibration error


def confusion_matrix(labels: Labels, predictions: Labels, classes: int) -> npt.NDArray[np.int64]:
    """Count labels and predictions, (classes, classes): the row is the label, the column the prediction."""
    cells = np.asarray(labels, np.int64) * classes + np.asarray(predictions, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def expected_calibration_error(confidences: Values, correct: Flags) -> float:
    """Return the mean gap between confidence and accuracy over equal bins (Naeini et al. 2015).

    Args:
        confidences: Confidences, (n,), 0 to 1.
        correct: Whether the answer was right, (n,).

    Returns:
        The error, 0 to 1; 0 for n = 0.
    """
    if len(confidences) == 0:
        return 0.0
    bin_of = np.minimum((np.asarray(confidences) * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bin_of, np.asarray(correct, np.float64) - confidences, BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def risk_coverage(
    confidences: Values, correct: Flags, weights: Values | None = None
) -> tuple[Values, Values, Values]:
    """Return the risk and the coverage of every threshold (El-Yaniv and Wiener 2010).

    Args:
        confidences: Confidences, (n,), 0 to 1.
        correct: Whether the answer was right, (n,).
        weights: How much each counts, (n,), above 0; None for all alike.

    Returns:
        Coverage, risk and threshold, (k,) each, with rising coverage. Equal confidences are one threshold.
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
    """Return the chance that a random positive scores above a random negative; a tie counts half.

    Args:
        scores: Scores, (n,).
        positive: Whether each is a positive, (n,).

    Returns:
        The area under the ROC curve, 0 to 1; nan if there are only positives or only negatives.
    """
    positive = np.asarray(positive, bool)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if positives == 0 or negatives == 0:
        return math.nan
    _, level, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2  # the mean rank of equal scores
    rank_sum = ranks[level][positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def mcnemar(only_first: int, only_second: int) -> float:
    """Test whether two classifiers err equally often on the same cases (McNemar 1947), exact and two-sided.

    Args:
        only_first: Number of cases that only the first classifier has right.
        only_second: Number of cases that only the second has right.

    Returns:
        The probability of a difference at least as large if there is none; 1 if they never differ.
    """
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**n)
