"""Tests of numbers in a shadow: read as they are and in even light, and for review if that is unclear."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.config import MAX_PIXELS
from batch.inference import model_store, number_steps, steps
from batch.inference.classifier import DigitReader
from batch.inference.decision import Decision, Thresholds
from batch.inference.models import Model
from batch.inference.number_decision import decide
from batch.inference.number_steps import decide_numbers, read_lines
from batch.inference.numbers import NumberReader
from batch.inference.reader import Reader
from batch.inference.steps import Examined
from batch.lengths import ANY, Lengths
from batch.records import Grey, Prediction, Status
from fake_numbers import PLAIN, Spelling
from fakes import MANIFEST, FakeClassifier
from formats import two


class SpellingByLight(Spelling):
    """A network that spells other texts for strips in which there is much that is lighter than paper."""

    def __init__(self, as_is: dict[str, float], evened: dict[str, float]) -> None:
        self._as_is, self._evened = Spelling(as_is), Spelling(evened)

    def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        paper = [cv2.erode(strip[..., 0], np.ones((9, 9), np.uint8)) for strip in batch]
        is_shaded = np.array([levels.max() > 100 for levels in paper])
        as_is, evened = self._as_is.outputs(batch)[0], self._evened.outputs(batch)[0]
        return [np.where(is_shaded[:, None, None, None], as_is, evened)]


def in_shadow() -> Grey:
    scan = np.hstack([two(), two(), two()])
    scan[:, 100:] //= 3
    return scan


@pytest.mark.parametrize(
    ("as_is", "evened", "status", "number"),
    [
        ({"37": 1.0}, {"637": 1.0}, Status.OK, "637"),
        ({"37": 1.0}, {"637": 0.55, "631": 0.45}, Status.REVIEW, "37"),
        ({"37": 1.0}, {"37": 0.55, "31": 0.45}, Status.OK, "37"),
        ({"37": 1.0}, {"37": 0.7, "+": 0.3}, Status.REVIEW, "37"),
        ({"37": 1.0}, {"+": 1.0}, Status.REVIEW, "37"),
        ({"+": 1.0}, {"37": 1.0}, Status.REVIEW, "37"),
        ({"+": 1.0}, {"+": 1.0}, Status.REFUSED, ""),
        ({"": 1.0}, {"37": 1.0}, Status.OK, "37"),
    ],
)
def test_a_number_in_a_shadow_is_read_in_even_light_too(
    as_is: dict[str, float], evened: dict[str, float], status: Status, number: str
) -> None:
    reader = NumberReader(SpellingByLight(as_is, evened), PLAIN, Lengths(2, 12))
    line, plain = read_lines([in_shadow(), two()], reader)
    assert (line.decision.status, line.decision.number) == (status, number)
    assert plain.decision == decide(reader.spell([plain.strip])[0], PLAIN)


@pytest.mark.parametrize(
    ("evened", "status"), [("7", Status.OK), ("37", Status.REVIEW), ("+7", Status.REVIEW)]
)
def test_a_digit_is_for_review_if_even_light_shows_more(
    evened: str, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readers of single digits do not see the scan in even light."""
    decision = Decision(Prediction(7, 0.8, ()), Status.OK, None)
    monkeypatch.setattr(steps, "examine_all", lambda greys, model: [Examined(decision)] * len(greys))
    monkeypatch.setattr(number_steps, "_answered", lambda greys, model: [True] * len(greys))
    numbers = NumberReader(SpellingByLight({"7": 1.0}, {evened: 1.0}), PLAIN, ANY)
    model = Model(MANIFEST, DigitReader(FakeClassifier(), Thresholds.of(MANIFEST)))
    (line,) = decide_numbers([in_shadow()], model, numbers)
    assert line.decision.status is status


@pytest.mark.slow
def test_the_shipped_model_reads_numbers_half_in_a_shadow(
    mnist_test: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
) -> None:
    rng = np.random.default_rng(6)
    model = Reader(model_store.find(None), "litert", None, MAX_PIXELS, ANY).load()
    assert model.numbers is not None
    scans, labels = [], []
    for first in range(0, 120, 3):
        scan = rng.normal(235, 3, (60, 180))
        for place, digit in enumerate(mnist_test[0][first : first + 3]):
            scan[16:44, 44 + 30 * place : 72 + 30 * place] -= 0.8 * digit
        shadow = 1 / (1 + np.exp((np.arange(180) - rng.uniform(60, 120)) / rng.uniform(0.5, 8)))
        scan *= 1 - rng.uniform(0.5, 0.7) * (shadow if first % 2 else 1 - shadow)
        scans.append(np.clip(scan, 0, 255).astype(np.uint8))
        labels.append("".join(map(str, mnist_test[1][first : first + 3].tolist())))
    decisions = [line.decision for line in decide_numbers(scans, model, model.numbers)]
    ok = [decision.status is Status.OK for decision in decisions]
    right = [decision.number == label for decision, label in zip(decisions, labels, strict=True)]
    assert sum(ok) > 25
    assert all(is_right for is_right, is_ok in zip(right, ok, strict=True) if is_ok)
