"""Charts of data sets and of how well a model reads them. They are PNG files and need no screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib.figure import Figure

from batch.inference.sheet import fit
from batch.records import Grey
from batch.training import metrics

DPI = 90
CELL_PX = 84  # the side of a picture in a contact sheet
TEXT_PX = 20  # the height of the line above it
GAP_PX = 12  # between two pictures
RELIABILITY_BINS = 15


def curves(history: dict[str, list[float]], target: Path) -> None:
    """Draw loss and accuracy by epoch, of the training and of held-out examples."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes: Any = figure.subplots(1, 2)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "held out")):
            values = history.get(key, [])
            axis.plot(range(1, len(values) + 1), values, label=label)
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
    figure.savefig(target, dpi=DPI)


def confusion(counts: npt.NDArray[np.int64], target: Path) -> None:
    """Draw a confusion matrix.

    Args:
        counts: Counts, (10, 11). The row is the label, and the last column is for refused scans.
        target: PNG file to write.
    """
    figure = Figure(figsize=(6.5, 5.5), layout="constrained")
    axis: Any = figure.subplots()
    names = [*map(str, range(10)), "refused"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    seaborn.heatmap(
        shares,
        annot=counts,
        fmt="d",
        cmap="Blues",
        cbar=False,
        ax=axis,
        xticklabels=names,
        yticklabels=names[:10],
    )
    axis.set(xlabel="read as", ylabel="label")
    figure.savefig(target, dpi=DPI)


def reliability(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: Path) -> None:
    """Draw the share of right answers against confidence, in bins that hold equally many answers."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axis: Any = figure.subplots()
    order = np.argsort(confidences)
    bins = [indices for indices in np.array_split(order, RELIABILITY_BINS) if indices.size]
    axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axis.plot(
        [confidences[indices].mean() for indices in bins],
        [right[indices].mean() for indices in bins],
        marker="o",
    )
    error = metrics.expected_calibration_error(confidences, right)
    axis.set(xlabel="confidence", ylabel="right", title=f"expected calibration error {error:.2%}")
    figure.savefig(target, dpi=DPI)


def risk_coverage(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: Path) -> None:
    """Draw risk against coverage, for every threshold."""
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axis: Any = figure.subplots()
    coverage, risk, _ = metrics.risk_coverage(confidences, right)
    axis.plot(coverage * 100, risk * 100)
    axis.set(xlabel="answered, %", ylabel="wrong among them, %")
    figure.savefig(target, dpi=DPI)


def counts(names: Sequence[str], values: Sequence[int], target: Path) -> None:
    """Draw the number of scans of each class."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axis: Any = figure.subplots()
    bars = axis.bar(names, values)
    axis.bar_label(bars)
    axis.set(xlabel="label", ylabel="scans")
    figure.savefig(target, dpi=DPI)


def contact_sheet(pictures: Sequence[tuple[Grey, str]], target: Path, columns: int = 8) -> None:
    """Draw pictures in a grid, each with a line of text above it."""
    rows = max(1, math.ceil(len(pictures) / columns))
    sheet = np.full((rows * (CELL_PX + TEXT_PX), columns * (CELL_PX + GAP_PX), 3), 255, np.uint8)
    for index, (picture, text) in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = row * (CELL_PX + TEXT_PX), column * (CELL_PX + GAP_PX) + GAP_PX // 2
        fitted = fit(picture, CELL_PX)
        height, width = fitted.shape
        sheet[top + 18 : top + 18 + height, left : left + width] = fitted[..., np.newaxis]
        cv2.putText(sheet, text, (left, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.imwrite(str(target), sheet)
