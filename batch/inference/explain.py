"""The explanation of one scan: a picture of every step from the scan to the decision."""

from __future__ import annotations

import cv2
import numpy as np

from batch.errors import ImageError
from batch.images import decode
from batch.inference import steps
from batch.inference.look import Glance, Sight, cut
from batch.inference.models import Model
from batch.inference.number_steps import decide_numbers
from batch.inference.numbers import NumberReader
from batch.inference.sheet import PANEL_PX, WHITE, Sheet, draw
from batch.preprocessing.look import Place, look_input
from batch.records import Grey, Reason, ScanRef, Status
from batch.text import text_cell

LOOKS = ("look", "closer", "place")  # names of the glances of a scan, in their order


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
        return sentence, draw(sentence, [], None)
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
        sentence = f"{name}: refused {by}{reason}" + (f" ({measures})" if measures else "")
    else:
        answer = f"{prediction.label} with {prediction.confidence:.3f} {by}"
        sentence = f"{name}: {answer}, {decision.status.value}{reason} ({measures})"
    return sentence, draw(sentence, panels, None if prediction is None else prediction.probabilities)


def _looks(image: Grey, sight: Sight) -> list[tuple[str, Grey]]:
    """Return a picture for each look: what it saw, and for the last also where."""
    panels: list[tuple[str, Grey]] = []
    whole = image
    if sight.part is not None:
        whole = cut(image, sight.part)
        panels.append(("what is written", _framed(image, sight.part)))
    picture = look_input(whole)
    panels += [
        (f"{look}: {_say(glance)}", picture) for look, glance in zip(LOOKS[:2], sight.glances, strict=False)
    ] or [("look: no ink", picture)]
    if sight.place is not None and len(sight.glances) == len(LOOKS):
        near = look_input(cut(image, sight.place))
        panels += [
            ("the place of the digit", _framed(image, sight.place)),
            (f"place: {_say(sight.glances[-1])}", near),
        ]
    return panels


def _framed(image: Grey, place: Place) -> Grey:
    """Return a copy of a scan with a frame around a part of it."""
    framed = image.copy()
    width = max(1, max(image.shape) // PANEL_PX)
    level = 0 if np.median(image) > WHITE // 2 else WHITE
    cv2.rectangle(framed, place[:2], (place.right - 1, place.bottom - 1), level, width)
    return framed


def _settled_by(scan: steps.Examined) -> str:
    """Say what gave the decision."""
    if scan.sight is None:
        return "before the model" if scan.digit is None else "by the model"
    if not scan.sight.glances:
        return "before the look"
    return "by the look" if len(scan.sight.glances) == 1 else "by looking closer"


def _explain_number(name: str, image: Grey, model: Model, numbers: NumberReader) -> tuple[str, Sheet]:
    """Read one scan with a number; return the sentence and the picture."""
    ((strip, spelled, decision, _),) = decide_numbers([image], model, numbers)
    reasons = spelled.reasons
    measures = (
        f"number of {numbers.lengths} digits {spelled.allowed:.3f}, of others "
        f"{reasons[Reason.WRONG_LENGTH]:.3f}, blank {reasons[Reason.BLANK]:.3f}, not a number "
        f"{reasons[Reason.NOT_A_NUMBER]:.3f}"
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
    return sentence, draw(sentence, [("scan", image), ("the line", strip)], None)


def _say(glance: Glance) -> str:
    """Return the most likely class of a look with its probability."""
    classes = {str(glance.label): glance.confidence, "several": glance.several, "none": glance.none}
    name = max(classes, key=lambda name: classes[name])
    return f"{name} {classes[name]:.3f}"
