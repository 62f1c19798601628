"""Pictures of data sets and of how well a model reads them; PNG, drawn without a screen."""

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

from batch.records import Grey
from batch.training import metrics

DPI = 90
CELL_PX = 84


def curves(history: dict[str, list[float]], target: Path) -> None:
    """Loss and accuracy by epoch, of training and of what was held out."""
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
    """Confusion matrix; the last of its 11 columns is for what was refused.

    Args:
        counts: (10, 11); row is the label.
        target: PNG to write.
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
    """Share of right answers against confidence, in bins that hold equally many answers."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axis: Any = figure.subplots()
    order = np.argsort(confidences)
    bins = [part for part in np.array_split(order, 15) if part.size]
    axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axis.plot([confidences[b].mean() for b in bins], [right[b].mean() for b in bins], marker="o")
    error = metrics.expected_calibration_error(confidences, right)
    axis.set(xlabel="confidence", ylabel="right", title=f"expected calibration error {error:.2%}")
    figure.savefig(target, dpi=DPI)


def risk_coverage(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: Path) -> None:
    """Wrong among the answers, against how many are answered, for every threshold."""
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axis: Any = figure.subplots()
    coverage, risk, _ = metrics.risk_coverage(confidences, right)
    axis.plot(coverage * 100, risk * 100)
    axis.set(xlabel="answered, %", ylabel="wrong among them, %")
    figure.savefig(target, dpi=DPI)


def counts(names: Sequence[str], values: Sequence[int], target: Path) -> None:
    """How many scans each class has."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axis: Any = figure.subplots()
    bars = axis.bar(names, values)
    axis.bar_label(bars)
    axis.set(xlabel="label", ylabel="scans")
    figure.savefig(target, dpi=DPI)


def contact_sheet(pictures: Sequence[tuple[Grey, str]], target: Path, columns: int = 8) -> None:
    """Pictures in a grid, each with a line of text above it."""
    rows = max(1, math.ceil(len(pictures) / columns))
    sheet = np.full((rows * (CELL_PX + 20), columns * (CELL_PX + 12), 3), 255, np.uint8)
    for place, (picture, text) in enumerate(pictures):
        top, left = place // columns * (CELL_PX + 20), place % columns * (CELL_PX + 12) + 6
        scale = CELL_PX / max(picture.shape)
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        small = cv2.cvtColor(cv2.resize(picture, size, interpolation=how), cv2.COLOR_GRAY2BGR)
        sheet[top + 18 : top + 18 + small.shape[0], left : left + small.shape[1]] = small
        cv2.putText(sheet, text, (left, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.imwrite(str(target), sheet)
