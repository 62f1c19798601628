"""The cascade: who answers, and on what scale."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from batch.inference import decision
from batch.inference.classifier import Cascade
from batch.records import Manifest, PreprocessSpec

MANIFEST = Manifest(
    name="two",
    version="two-1",
    network="cnn",
    classes=11,
    output="softmax",
    preprocess=PreprocessSpec(),
    temperature=2.0,
    review_below=0.9,
    refuse_above=0.5,
    files={},
    student_temperature=0.5,
    student_above=0.95,
)


class Fixed:
    """Gives each digit the logits that stand in a table at its first pixel."""

    def __init__(self, table: list[list[float]]) -> None:
        self.manifest = MANIFEST
        self.asked: list[int] = []
        self._table = np.array(table, np.float32)

    def logits(self, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.asked += digits[:, 0, 0, 0].tolist()
        return self._table[digits[:, 0, 0, 0]]


def peak(label: int, height: float) -> list[float]:
    return [height * (place == label) for place in range(11)]


def numbered(count: int) -> npt.NDArray[np.uint8]:
    digits = np.zeros((count, 28, 28, 1), np.uint8)
    digits[:, 0, 0, 0] = np.arange(count)
    return digits


def test_the_large_model_sees_only_what_the_student_is_not_sure_of() -> None:
    sure, unsure, no_digit = peak(3, 9.0), peak(3, 0.5), peak(10, 9.0)
    student = Fixed([sure, unsure, no_digit])
    model = Fixed([peak(8, 4.0)] * 3)
    logits = Cascade(student, model).logits(numbered(3))
    assert student.asked == [0, 1, 2]
    assert model.asked == [1, 2]
    assert logits.argmax(axis=1).tolist() == [3, 8, 8]


def test_the_students_probabilities_come_out_by_its_own_temperature() -> None:
    cascade = Cascade(Fixed([peak(3, 4.0)]), Fixed([peak(8, 4.0)]))
    found = decision.probabilities(cascade.logits(numbered(1)), "softmax", MANIFEST.temperature)
    wanted = decision.probabilities(np.array([peak(3, 4.0)], np.float32), "softmax", 0.5)
    assert found == pytest.approx(wanted, abs=1e-6)


def test_a_student_that_is_never_sure_changes_nothing() -> None:
    model = Fixed([peak(8, 4.0), peak(2, 1.0)])
    model.manifest = dataclasses.replace(MANIFEST, student_above=1.0)
    cascade = Cascade(Fixed([peak(3, 5.0), peak(3, 0.0)]), model)
    assert np.array_equal(cascade.logits(numbered(2)), model.logits(numbered(2)))
    assert cascade.student_fraction(numbered(2)) == 0.0
