"""A sheet of pictures: a sentence, and below it panels with a name each, and bars of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

PANEL_PX = 120  # side of the square in which a step's picture stands
TEXT_PX = 18  # height of the text above it
GAP_PX = 8  # white space to the right of and below each panel
COLUMNS = 10  # panels in a row of the sheet
WHITE = 255  # paper of the sheet
FONT = cv2.FONT_HERSHEY_SIMPLEX
HEADING_SCALE = 0.45  # of the font; fits a usual sentence into the width of ten panels
NAME_SCALE = 0.38  # of the font; fits the longest name of a step above its panel
DIGIT_SCALE = 0.35  # of the font; fits a label beside its bar

Sheet = npt.NDArray[np.uint8]
"""A grey picture, (height, width), 0 black to 255 white."""


def fit(picture: Grey, side: int) -> Grey:
    """Return a picture enlarged or reduced, so that its longer side is `side` pixels long."""
    scale = side / max(picture.shape)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)


def stack(sheets: Sequence[Sheet]) -> Sheet:
    """Put the pictures of several scans below each other.

    Args:
        sheets: At least one picture, of any width.

    Returns:
        One picture, as wide as the widest of them.
    """
    width = max(sheet.shape[1] for sheet in sheets)
    return np.vstack(
        [np.pad(sheet, ((0, 0), (0, width - sheet.shape[1])), constant_values=WHITE) for sheet in sheets]
    )


def draw(sentence: str, panels: Sequence[tuple[str, Grey]], probabilities: tuple[float, ...] | None) -> Sheet:
    """Draw a sheet.

    Args:
        sentence: The heading.
        panels: Pictures with their names.
        probabilities: Those of the ten digits, for the last panel; None for no such panel.
    """
    cells = [_panel(name, picture) for name, picture in panels]
    if probabilities is not None:
        cells.append(_bars(probabilities))
    empty = _blank_cell()
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    heading = np.full((TEXT_PX + GAP_PX, COLUMNS * empty.shape[1]), WHITE, np.uint8)
    _write(heading, sentence, HEADING_SCALE)
    return np.vstack([heading, *(np.hstack(row + [empty] * (COLUMNS - len(row))) for row in rows)])


def _write(picture: Sheet, text: str, scale: float) -> None:
    ascii_text = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
    cv2.putText(picture, ascii_text, (2, TEXT_PX - 5), FONT, scale, 0, 1, cv2.LINE_AA)


def _blank_cell() -> Sheet:
    return np.full((PANEL_PX + TEXT_PX + GAP_PX, PANEL_PX + GAP_PX), WHITE, np.uint8)


def _panel(name: str, picture: Grey) -> Sheet:
    cell = _blank_cell()
    fitted = fit(picture, PANEL_PX)
    height, width = fitted.shape
    cell[TEXT_PX : TEXT_PX + height, :width] = fitted
    cv2.rectangle(cell, (0, TEXT_PX), (width - 1, TEXT_PX + height - 1), 128, 1)
    _write(cell, name, NAME_SCALE)
    return cell


def _bars(probabilities: tuple[float, ...]) -> Sheet:
    cell = _blank_cell()
    _write(cell, "probabilities", NAME_SCALE)
    for digit, probability in enumerate(probabilities):
        top = TEXT_PX + digit * PANEL_PX // 10
        cv2.putText(cell, str(digit), (2, top + 10), FONT, DIGIT_SCALE, 0, 1, cv2.LINE_AA)
        cv2.rectangle(cell, (14, top + 2), (14 + round(probability * (PANEL_PX - 16)), top + 9), 80, -1)
    return cell
