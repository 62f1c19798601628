"""Charts of data sets and of how well a model reads them. They are PNG files and need no screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

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


@contextmanager
def _chart(target: Path | IO[bytes], width: float, height: float, columns: int = 1) -> Iterator[Any]:
    """Yield the axes of a chart, or of several side by side; write it as PNG at the end of the block."""
    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure.subplots(1, columns)
    figure.savefig(target, dpi=DPI, format="png")


def curves(history: dict[str, list[float]], target: IO[bytes]) -> None:
    """Draw loss and accuracy by epoch, of the training and of held-out examples."""
    with _chart(target, 8, 3, columns=2) as axes:
        for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
            for key, label in ((name, "training"), (f"val_{name}", "held out")):
                values = history.get(key, [])
                axis.plot(range(1, len(values) + 1), values, label=label)
            axis.set(xlabel="epoch", ylabel=name)
            axis.legend()


def confusion(counts: npt.NDArray[np.int64], target: Path) -> None:
    """Draw a confusion matrix.

    Args:
        counts: Counts, (10, 11). The row is the label, and the last column is for refused scans.
        target: PNG file to write.
    """
    names = [*map(str, range(10)), "refused"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with _chart(target, 6.5, 5.5) as axis:
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


def reliability(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: Path) -> None:
    """Draw the share of right answers against confidence, in bins that hold equally many answers."""
    order = np.argsort(confidences)
    bins = [indices for indices in np.array_split(order, RELIABILITY_BINS) if indices.size]
    error = metrics.expected_calibration_error(confidences, right)
    with _chart(target, 4, 4) as axis:
        axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        axis.plot(
            [confidences[indices].mean() for indices in bins],
            [right[indices].mean() for indices in bins],
            marker="o",
        )
        axis.set(xlabel="confidence", ylabel="right", title=f"expected calibration error {error:.2%}")


def risk_coverage(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: Path) -> None:
    """Draw risk against coverage, for every threshold."""
    coverage, risk, _ = metrics.risk_coverage(confidences, right)
    with _chart(target, 5, 3.5) as axis:
        axis.plot(coverage * 100, risk * 100)
        axis.set(xlabel="answered, %", ylabel="wrong among them, %")


def counts(names: Sequence[str], values: Sequence[int], target: Path) -> None:
    """Draw the number of scans of each class."""
    with _chart(target, 6, 3) as axis:
        axis.bar_label(axis.bar(names, values))
        axis.set(xlabel="label", ylabel="scans")


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
    _, content = cv2.imencode(".png", sheet)
    target.write_bytes(bytes(content))  # OpenCV is silent if it cannot write, and crashes at some names
