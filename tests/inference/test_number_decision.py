"""Tests of what a number needs to be read and to be sure: ink, thresholds, and the word of the looks."""

import dataclasses

import cv2
import numpy as np
import pytest

from batch.inference import number_steps, steps
from batch.inference.classifier import DigitReader
from batch.inference.decision import Thresholds
from batch.inference.models import Model
from batch.inference.number_decision import NumberDecision, NumberThresholds, Spelled, decide
from batch.inference.number_steps import decide_numbers, read_lines
from batch.inference.numbers import NumberReader, ask_look
from batch.inference.spelling import SIGN
from batch.lengths import ANY, Lengths
from batch.preprocessing.number_line import WIDTHS_PX, Strip
from batch.records import Grey, Reason, Status
from fake_numbers import PLAIN, STRIP, Glances, Spelling
from fakes import MANIFEST, FakeClassifier
from formats import two


@pytest.mark.parametrize(("level", "status"), [(120, Status.REFUSED), (157, Status.OK), (255, Status.OK)])
def test_pale_ink_is_read_and_paper_is_blank(
    level: int, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    strip = STRIP.copy()
    strip[18:22, 20:24] = level
    monkeypatch.setattr(number_steps, "strip_of", lambda _: Strip(strip, 0.0, 1.0))
    (line,) = read_lines([two()], NumberReader(Spelling({"427": 1.0}), PLAIN, ANY))
    assert line.decision.status is status


def test_only_a_lower_confidence_sends_a_number_to_review() -> None:
    (line,) = NumberReader(Spelling({"12": 0.7, "72": 0.3}), PLAIN, ANY).spell([STRIP])
    confidence = PLAIN.confidence(line.share)
    for below, status in [(confidence, Status.OK), (confidence + 1e-9, Status.REVIEW)]:
        assert decide(line, dataclasses.replace(PLAIN, review_below=below)).status is status


def test_a_threshold_of_0_sends_no_number_to_review() -> None:
    manifest = dataclasses.replace(MANIFEST, numbers_review_below=0.8)
    assert NumberThresholds.of(manifest).review_below == 0.8
    assert NumberThresholds.of(manifest, 0.0).review_below == 0.0


@pytest.mark.parametrize(("step", "status"), [(72.0, Status.OK), (72.5, Status.REVIEW)])
def test_two_heights_of_a_line_are_the_longest_step(step: float, status: Status) -> None:
    line = Spelled("42", 0.99, np.full((2, 11), 0.99), (20.0, 20.0 + step), 0.99, 0.0, 0.0, 0.01)
    assert decide(line, PLAIN).status is status


def line_of(number: str, middles: tuple[float, ...], share: float = 0.9) -> Spelled:
    """Return what the network says of a line if all doubt about it is spread evenly."""
    each = share ** (1 / max(1, len(number)))
    places = np.full((len(number), SIGN + 1), (1 - each) / SIGN)
    places[range(len(number)), list(map(int, number))] = each
    return Spelled(number, share, places, middles, share, 0.0, 0.0, 1 - share)


def test_each_line_gets_what_the_looks_say_of_its_digits() -> None:
    lines = [line_of("12", (10.0, 30.0), 0.5), line_of("", ()), line_of("3", (20.0,), 0.5)]
    looks = Glances("178", 0.99)
    first, empty, last = ask_look([STRIP] * 3, lines, looks, 1.0)
    assert [first.number, empty.number, last.number] == ["17", "", "8"]
    assert empty == lines[1] and len(looks.pictures) == 3
    assert first.seen == pytest.approx((0.99, 0.99))


def test_a_number_is_no_surer_than_a_digit_of_it() -> None:
    line = line_of("12", (10.0, 30.0), 0.9)
    line.places[1] = 0.05
    line.places[1, [2, 7]] = 0.3, 0.29
    (joined,) = ask_look([STRIP], [line], Glances("17", 0.9), 1.0)
    assert joined.number == "17"
    assert joined.share <= min(joined.digit_shares)


def test_looks_without_a_weight_are_not_asked() -> None:
    looks = Glances("")
    (line,) = NumberReader(Spelling({"12": 1.0}), PLAIN, ANY, looks).spell([STRIP])
    assert line.number == "12" and not line.seen and not looks.pictures
    looks = Glances("12")
    thresholds = dataclasses.replace(PLAIN, look_weight=0.5)
    (line,) = NumberReader(Spelling({"12": 1.0}), thresholds, ANY, looks).spell([STRIP])
    assert line.number == "12" and len(line.seen) == len(looks.pictures) == 2


def row_of(*shapes: str) -> Grey:
    """Draw boxes, circles and a written 0 in a strip, 30 columns apart."""
    strip = np.full((40, WIDTHS_PX[2]), 48, np.uint8)
    for index, shape in enumerate(shapes):
        middle = 20 + 30 * index
        if shape == "box":
            cv2.rectangle(strip, (middle - 10, 4), (middle + 10, 35), 255, 2)
        elif shape == "circle":
            cv2.circle(strip, (middle, 20), 12, 255, 2)
        else:
            cv2.ellipse(strip, (middle, 20), (8, 15), 20, 0, 360, 255, 2)
    return strip


@pytest.mark.parametrize(
    ("shapes", "are_zeros"),
    [
        (["box"], [False]),
        (["zero", "box"], [True, False]),
        (["circle", "circle"], [False, False]),
        (["circle", "zero"], [True, True]),
        (["circle"], [True]),
    ],
)
def test_empty_boxes_and_alike_circles_are_no_zeros(shapes: list[str], are_zeros: list[bool]) -> None:
    middles = tuple(20.0 + 30 * index for index in range(len(shapes)))
    line = line_of("0" * len(shapes), middles)
    (joined,) = ask_look([row_of(*shapes)], [line], Glances("0" * len(shapes)), 1.0)
    assert [seen > 0.5 for seen in joined.seen] == are_zeros
    status = Status.OK if all(are_zeros) else Status.REVIEW
    assert decide(joined, PLAIN).status is status


def test_readers_of_single_digits_have_no_say_in_longer_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "examine_all", lambda *_: pytest.fail("it read single digits"))
    model = Model(MANIFEST, DigitReader(FakeClassifier(), Thresholds.of(MANIFEST)))
    numbers = NumberReader(Spelling({"": 1.0}), PLAIN, Lengths(2, 4))
    ((_, _, found, _),) = decide_numbers([two()], model, numbers)
    assert found == NumberDecision(Status.REFUSED, Reason.BLANK)
