"""The explanation of one scan: a picture of every step from the scan to the decision."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import decode
from batch.inference import steps
from batch.inference.look import Glance, Sight, cut
from batch.inference.models import Model
from batch.inference.number_steps import decide_numbers
from batch.inference.numbers import NumberReader
from batch.preprocessing.look import look_input
from batch.preprocessing.number_line import strip_of
from batch.records import Grey, ScanRef, Status
from batch.text import text_cell

PANEL_PX = 120  # side of the square in which a step's picture stands
TEXT_PX = 18  # height of the text above it
GAP_PX = 8  # white space to the right of and below each panel
COLUMNS = 10  # panels in a row of the sheet
WHITE = 255  # paper of the sheet
LOOKS = ("look", "closer", "place")  # names of the glances of a scan, in their order
FONT = cv2.FONT_HERSHEY_SIMPLEX
HEADING_SCALE = 0.45  # of the font; fits a usual sentence into the width of ten panels
NAME_SCALE = 0.38  # of the font; fits the longest name of a step above its panel
DIGIT_SCALE = 0.35  # of the font; fits a label beside its bar

Sheet = npt.NDArray[np.uint8]
"""A grey picture, (height, width), 0 black to 255 white."""


def explain_scan(ref: ScanRef, model: Model, max_pixels: int, page: int = 0) -> tuple[str, Sheet]:
    """Read one scan and draw each step.

    Args:
        ref: The scan.
        model: The loaded model.
        max_pixels: An image with more pixels is `too_large`.
        page: The page to explain, from 1; 0 for a file of one page.

    Returns:
        One sentence with the decision, and the picture; for a file that cannot be read, the reason and a
        picture of that sentence.
    """
    name = text_cell(ref.name) + (f", page {page}" if page else "")
    try:
        image = decode.read(ref, max_pixels, page).grey
    except ImageError as error:
        sentence = f"{name}: {error.reason.value}, {error.detail}"
        return sentence, _draw(sentence, [], None)
    if model.numbers is not None:
        return _explain_number(name, image, model, model.numbers)
    (scan,) = steps.examine_all([image], model)
    panels = [("scan", image)]
    if scan.sight is not None:
        panels += _looks(image, scan.sight)
        measures = "; ".join(
            f"{look} {_say(glance)}" for look, glance in zip(LOOKS, scan.sight.glances, strict=False)
        )
    else:
        ink, _, digit = steps.prepare(image, lambda step, picture: panels.append((step, picture)))
        panels += [("model sees", digit[..., 0])] if digit is not None else []
        measures = (
            f"{ink.polarity.value.replace('_', ' ')}, contrast {ink.contrast:.0f}, noise {ink.noise:.1f}, "
            f"{len(ink.parts)} parts"
        )
    decision, prediction = scan.decision, scan.decision.prediction
    by = _settled_by(scan)
    reason = f", {decision.reason.value}" if decision.reason else ""
    if prediction is None or decision.status is Status.REFUSED:
        said = f" ({measures})" if measures else ""
        sentence = f"{name}: refused {by}{reason}{said}"
    else:
        answer = f"{prediction.label} with {prediction.confidence:.3f} {by}"
        sentence = f"{name}: {answer}, {decision.status.value}{reason} ({measures})"
    return sentence, _draw(sentence, panels, None if prediction is None else prediction.probabilities)


def _looks(image: Grey, sight: Sight) -> list[tuple[str, Grey]]:
    """Return a picture for each look: what it saw, and for the last also where."""
    picture = look_input(image)
    panels = [
        (f"{look}: {_say(glance)}", picture) for look, glance in zip(LOOKS[:2], sight.glances, strict=False)
    ] or [("look: no ink", picture)]
    if sight.place is not None:
        place = sight.place
        framed = image.copy()
        width = max(1, max(image.shape) // PANEL_PX)
        level = 0 if np.median(image) > WHITE // 2 else WHITE
        cv2.rectangle(framed, place[:2], (place.right - 1, place.bottom - 1), level, width)
        near = look_input(cut(image, place))
        panels += [("the place of the digit", framed), (f"place: {_say(sight.glances[-1])}", near)]
    return panels


def _settled_by(scan: steps.Examined) -> str:
    """Say what gave the decision."""
    if scan.sight is None:
        return "before the model" if scan.digit is None else "by the model"
    if not scan.sight.glances:
        return "before the look"
    return "by the look" if len(scan.sight.glances) == 1 else "by looking closer"


def _explain_number(name: str, image: Grey, model: Model, numbers: NumberReader) -> tuple[str, Sheet]:
    """Read one scan with a number; return the sentence and the picture."""
    strip = strip_of(image).picture
    (spelled,) = numbers.spell([strip])
    (decision,) = decide_numbers([image], model, numbers)
    measures = (
        f"number of {numbers.lengths} digits {spelled.allowed:.3f}, of others {spelled.other:.3f}, "
        f"blank {spelled.empty:.3f}, not a number {spelled.sign:.3f}"
    )
    if decision.status is Status.REFUSED:
        sentence = f"{name}: refused, {decision.reason} ({measures})"
    else:
        reason = f", {decision.reason.value}" if decision.reason else ""
        digits = " ".join(f"{confidence:.3f}" for confidence in decision.digit_confidences)
        sentence = (
            f"{name}: {decision.number} with {decision.confidence:.3f}, {decision.status.value}{reason} "
            f"(by digit {digits}; {measures})"
        )
    return sentence, _draw(sentence, [("scan", image), ("the line", strip)], None)


def _say(glance: Glance) -> str:
    """Return the most likely class of a look with its probability."""
    classes = {str(glance.label): glance.confidence, "several": glance.several, "none": glance.none}
    name = max(classes, key=lambda name: classes[name])
    return f"{name} {classes[name]:.3f}"


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


def _draw(
    sentence: str, panels: Sequence[tuple[str, Grey]], probabilities: tuple[float, ...] | None
) -> Sheet:
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
    scale = PANEL_PX / max(picture.shape)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    cell[TEXT_PX : TEXT_PX + size[1], : size[0]] = cv2.resize(picture, size, interpolation=interpolation)
    cv2.rectangle(cell, (0, TEXT_PX), (size[0] - 1, TEXT_PX + size[1] - 1), 128, 1)
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
