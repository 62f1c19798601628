import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.inference.classifier import DigitReader
from batch.inference.decision import Thresholds
from batch.inference.models import Model
from batch.training import metrics
from batch.training.data import own_scans
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.data.own_scans import OwnScan
from batch.training.evaluation import compare
from batch.training.evaluation.compare import Ok, Pairs, Verdict
from fakes import FakeClassifier


class AlwaysZero(FakeClassifier):
    """A classifier that reads every scan as 0."""

    def __call__(self, digits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        logits = np.zeros((len(digits), 10), np.float32)
        logits[:, 0] = 8
        return logits


def reads_with(classifier: FakeClassifier) -> Model:
    return Model(classifier.manifest, DigitReader(classifier, Thresholds.of(classifier.manifest)))


def stroke(number: int, *, wide: bool) -> npt.NDArray[Any]:
    """Draw a line, which `FakeClassifier` reads as 1, or a ring, which it reads as 0; numbers differ."""
    scan = np.full((60, 50), 245 - number % 20, np.uint8)
    if wide:
        cv2.ellipse(scan, (25, 30), (14, 20), 0, 0, 360, 30 + number % 30, 4)
    else:
        cv2.line(scan, (25, 10), (25, 48), 30 + number % 30, 4)
    return scan


def scans(count: int) -> list[OwnScan]:
    return [(stroke(number, wide=number % 2 == 0), (number + 1) % 2 ^ 1) for number in range(count)]


def right(model: Model, scans: list[OwnScan]) -> list[bool]:
    found: list[bool] = compare.answers(model, scans).right.tolist()
    return found


def test_a_scan_is_right_by_its_label_or_its_refusal() -> None:
    blank = np.full((40, 40), 240, np.uint8)
    ring, line = stroke(0, wide=True), stroke(0, wide=False)
    labelled = [(ring, 0), (line, 1), (line, 7), (blank, NOT_A_DIGIT), (blank, 3), (ring, NOT_A_DIGIT)]
    assert right(reads_with(FakeClassifier()), labelled) == [True, True, False, True, False, False]
    assert right(reads_with(AlwaysZero()), labelled) == [True, False, False, True, False, False]
    assert right(reads_with(AlwaysZero()), []) == []


def test_a_model_that_reads_more_is_better() -> None:
    old, new = reads_with(AlwaysZero()), reads_with(FakeClassifier())
    kinds = [("own", scans(100)), ("test", [*scans(40), (stroke(0, wide=True), NOT_A_DIGIT)]), ("none", [])]
    pairs = compare.compare(old, compare.test(new, kinds))
    own, test = pairs
    assert (own.name, own.count, own.old_ok, own.new_ok) == ("own", 100, (100, 50), (100, 0))
    assert (test.name, test.count, test.both, test.only_old, test.only_new) == ("test", 40, 20, 0, 20)
    assert test.p == 2 / 2**20
    assert compare.verdict(pairs) is Verdict.BETTER
    assert compare.verdict(compare.compare(new, compare.test(old, kinds))) is Verdict.WORSE
    assert compare.verdict(compare.compare(new, compare.test(new, kinds))) is Verdict.UNDECIDED


def test_few_scans_are_too_few_to_tell() -> None:
    assert Pairs("few", 0, 0, 5, 0).verdict is Verdict.TOO_FEW
    assert Pairs("few", 100, 0, 5, 0).verdict is Verdict.UNDECIDED
    assert Pairs("enough", 0, 0, 6, 0).verdict is Verdict.BETTER
    assert compare.verdict([]) is Verdict.TOO_FEW


def test_worse_at_one_kind_is_worse() -> None:
    better, worse, even = Pairs("a", 9, 0, 9, 9), Pairs("b", 9, 9, 0, 9), Pairs("c", 9, 4, 4, 9)
    assert compare.verdict([better, worse]) is Verdict.WORSE
    assert compare.verdict([even, better]) is Verdict.BETTER


def test_own_scans_have_a_verdict_of_their_own() -> None:
    better, worse = Pairs(compare.OWN, 9, 0, 9, 9), Pairs("b", 9, 9, 0, 9)
    assert compare.own_verdict([worse, better]) is Verdict.BETTER
    assert compare.own_verdict([worse]) is Verdict.TOO_FEW


def test_the_table_has_a_row_for_each_kind() -> None:
    text = compare.table(
        "cnn-1", "office-2", [Pairs("own", 50, 1, 9, 2, Ok(40, 1), Ok(50, 0)), Pairs("drawn", 9000, 3, 3, 94)]
    )
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]] == [
        ["own", "62", "51", "59", "1", "9", "0.0215", "better", "40 -> 50", "1 -> 0"],
        ["drawn", "9100", "9003", "9003", "3", "3", "1", "not shown to differ", "0 -> 0", "0 -> 0"],
    ]
    assert len({len(line) for line in text.splitlines()}) == 1


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_binomial_test(only_first: int, only_second: int) -> None:
    n = only_first + only_second
    chances = [math.comb(n, k) / 2**n for k in range(n + 1)]
    exact = sum(chance for k, chance in enumerate(chances) if abs(2 * k - n) >= abs(only_first - only_second))
    assert metrics.mcnemar(only_first, only_second) == pytest.approx(min(1.0, exact))


@given(st.permutations(range(30)), st.integers(0, 30))
def test_a_scan_stays_held_out_whatever_the_others(order: list[int], count: int) -> None:
    all_scans = scans(30)
    held_out = {grey.tobytes() for grey, _ in own_scans.split(all_scans)[0]}
    subset = [all_scans[index] for index in order[:count]]
    subset_held_out, subset_training = own_scans.split(subset)
    assert all(grey.tobytes() in held_out for grey, _ in subset_held_out)
    assert not any(grey.tobytes() in held_out for grey, _ in subset_training)
    assert len(subset_held_out) + len(subset_training) == count


def test_about_a_fifth_of_own_scans_is_held_out() -> None:
    rng = np.random.default_rng(0)
    noise: list[OwnScan] = [(rng.integers(0, 255, (4, 4)).astype(np.uint8), 0) for _ in range(2000)]
    assert 320 < len(own_scans.split(noise)[0]) < 480
