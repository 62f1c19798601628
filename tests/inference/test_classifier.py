"""Tests of the cascade: which model answers, and on what scale."""

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
    """A model that looks up the logits of a digit in a table; the first pixel is the row."""

    def __init__(self, table: list[list[float]]) -> None:
        self.manifest = MANIFEST
        self.rows_read: list[int] = []
        self._table = np.array(table, np.float32)

    def logits(self, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.rows_read += digits[:, 0, 0, 0].tolist()
        return self._table[digits[:, 0, 0, 0]]


def peak(label: int, height: float) -> list[float]:
    return [height * (place == label) for place in range(11)]


def numbered(count: int) -> npt.NDArray[np.uint8]:
    digits = np.zeros((count, 28, 28, 1), np.uint8)
    digits[:, 0, 0, 0] = np.arange(count)
    return digits


def test_the_large_model_reads_only_what_the_student_doubts() -> None:
    sure, unsure, no_digit = peak(3, 9.0), peak(3, 0.5), peak(10, 9.0)
    student = Fixed([sure, unsure, no_digit])
    model = Fixed([peak(8, 4.0)] * 3)
    logits = Cascade(student, model).logits(numbered(3))
    assert student.rows_read == [0, 1, 2]
    assert model.rows_read == [1, 2]
    assert logits.argmax(axis=1).tolist() == [3, 8, 8]


def test_the_students_probabilities_have_its_own_temperature() -> None:
    cascade = Cascade(Fixed([peak(3, 4.0)]), Fixed([peak(8, 4.0)]))
    probabilities = decision.probabilities(cascade.logits(numbered(1)), "softmax", MANIFEST.temperature)
    expected = decision.probabilities(np.array([peak(3, 4.0)], np.float32), "softmax", 0.5)
    assert probabilities == pytest.approx(expected, abs=1e-6)


def test_a_student_in_doubt_changes_nothing() -> None:
    model = Fixed([peak(8, 4.0), peak(2, 1.0)])
    model.manifest = dataclasses.replace(MANIFEST, student_above=1.0)
    cascade = Cascade(Fixed([peak(3, 5.0), peak(3, 0.0)]), model)
    assert np.array_equal(cascade.logits(numbered(2)), model.logits(numbered(2)))
    assert cascade.student_fraction(numbered(2)) == 0.0
