"""Why was it read so? One picture of every step from the scan to the decision."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import decode
from batch.inference import steps
from batch.inference.classifier import Classifier
from batch.inference.decision import Thresholds
from batch.preprocessing.views import pictures
from batch.records import Grey, ScanRef
from batch.text import text_cell

PANEL_PX = 120
TEXT_PX = 18
GAP_PX = 8
COLUMNS = 10
FONT = cv2.FONT_HERSHEY_SIMPLEX

Sheet = npt.NDArray[np.uint8]
"""(height, width), grey."""


def explain_scan(
    ref: ScanRef, model: Classifier, thresholds: Thresholds, max_pixels: int
) -> tuple[str, Sheet]:
    """Reads one scan and shows how.

    Returns:
        The decision in words, and the picture.
    """
    name = text_cell(ref.name)
    try:
        image = decode.read(ref, max_pixels).grey
    except ImageError as error:
        words = f"{name}: {error.reason.value}, {error.detail}"
        return words, _strip(words, [], None)
    panels = [("scan", image)]
    spec = model.manifest.preprocess
    scan = steps.prepare(image, spec, lambda step, picture: panels.append((step, picture)))
    ink = scan.ink
    measures = (
        f"{ink.polarity.value.replace('_', ' ')}, contrast {ink.contrast:.0f}, noise {ink.noise:.1f}, "
        f"{len(ink.parts)} parts"
    )
    (decision,) = steps.decide_all([scan], model, thresholds)
    if scan.digit is None or decision is None:
        words = f"{name}: refused before the model, {scan.refusal} ({measures})"
        return words, _strip(words, panels, None)
    views = pictures(scan.digit, spec)
    panels += [(f"model sees: {view}", picture) for view, picture in views.items()]
    said = decision.prediction
    reason = f", {decision.reason.value}" if decision.reason else ""
    words = (
        f"{name}: {said.label} with {said.confidence:.3f}, {decision.status.value}{reason} "
        f"(not a digit {said.not_a_digit:.3f}; {measures})"
    )
    return words, _strip(words, panels, said.probabilities)


def stack(sheets: Sequence[Sheet]) -> Sheet:
    """Pictures of several scans under each other."""
    width = max(sheet.shape[1] for sheet in sheets)
    return np.vstack([np.pad(s, ((0, 0), (0, width - s.shape[1])), constant_values=255) for s in sheets])


def _strip(words: str, panels: Sequence[tuple[str, Grey]], shares: tuple[float, ...] | None) -> Sheet:
    cells = [_panel(name, picture) for name, picture in panels]
    if shares is not None:
        cells.append(_bars(shares))
    empty = np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), 255, np.uint8)
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    heading = np.full((TEXT_PX + GAP_PX, COLUMNS * empty.shape[1]), 255, np.uint8)
    _write(heading, words, 0.45)
    return np.vstack([heading, *(np.hstack(row + [empty] * (COLUMNS - len(row))) for row in rows)])


def _write(picture: Sheet, words: str, size: float) -> None:
    shown = words.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
    cv2.putText(picture, shown, (2, TEXT_PX - 5), FONT, size, 0, 1, cv2.LINE_AA)


def _panel(name: str, picture: Grey) -> Sheet:
    cell = np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), 255, np.uint8)
    scale = PANEL_PX / max(picture.shape)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    cell[TEXT_PX : TEXT_PX + size[1], : size[0]] = cv2.resize(picture, size, interpolation=how)
    cv2.rectangle(cell, (0, TEXT_PX), (size[0] - 1, TEXT_PX + size[1] - 1), 128, 1)
    _write(cell, name, 0.38)
    return cell


def _bars(shares: tuple[float, ...]) -> Sheet:
    cell = np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), 255, np.uint8)
    _write(cell, "probabilities", 0.38)
    for digit, share in enumerate(shares):
        top = TEXT_PX + digit * PANEL_PX // 10
        cv2.putText(cell, str(digit), (2, top + 10), FONT, 0.35, 0, 1, cv2.LINE_AA)
        cv2.rectangle(cell, (14, top + 2), (14 + round(share * (PANEL_PX - 16)), top + 9), 80, -1)
    return cell
