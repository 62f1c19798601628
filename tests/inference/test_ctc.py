"""Tests of the decoding of lines, against every path there is."""

import itertools
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pytest

from batch.inference import ctc

CLASSES = 4  # two digits, something else, and the blank
DIGITS, BLANK = 2, 3


def frames(seed: int, steps: int, lines: int = 3) -> npt.NDArray[np.float64]:
    weights = np.random.default_rng(seed).random((lines, steps, CLASSES)) ** 3
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))


def all_paths(line: npt.NDArray[np.float64]) -> list[tuple[tuple[int, ...], float]]:
    """Return what each path spells, and its probability."""
    spelled = []
    for path in itertools.product(range(CLASSES), repeat=len(line)):
        symbols = tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK)
        spelled.append((symbols, float(np.prod(line[range(len(line)), path]))))
    return spelled


@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_probabilities_sum_all_paths_that_spell_a_number(steps: int) -> None:
    for number in [(), (0,), (1, 1), (0, 1, 0), (1, 1, 1), (2, 0)]:
        lines = frames(steps, steps)
        expected = [sum(share for word, share in all_paths(line) if word == number) for line in lines]
        assert ctc.probability(lines, [number] * len(lines)) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 6, 7])
def test_another_character_in_one_place_has_its_own_probability(steps: int) -> None:
    numbers = [(0, 1), (), (1, 1, 0), (0,)]
    lines = frames(30 + steps, steps, len(numbers))
    places = [(line, place) for line, number in enumerate(numbers) for place in range(len(number))]
    replaced = ctc.replaced(lines, numbers, BLANK)
    assert replaced.shape == (len(places), BLANK)
    for (line, place), shares in zip(places, replaced, strict=True):
        number = numbers[line]
        words = [(*number[:place], character, *number[place + 1 :]) for character in range(BLANK)]
        assert shares == pytest.approx(ctc.probability(lines[[line] * BLANK], words))


def test_the_likeliest_class_of_each_frame_spells_a_line() -> None:
    classes = np.array([[3, 0, 0, 3, 0, 1, 3], [3, 3, 3, 3, 3, 3, 3], [2, 2, 3, 3, 3, 3, 1]])
    first, empty, last = ctc.greedy(np.eye(CLASSES)[classes])
    assert first == ((0, 0, 1), (1.5, 4.0, 5.0))
    assert empty == ((), ())
    assert last == ((2, 1), (0.5, 6.0))


def test_numbers_of_several_lengths_share_a_batch() -> None:
    lines = frames(5, 5)
    numbers = [(0, 1), (), (1, 1, 0)]
    together = ctc.probability(lines, numbers)
    apart = [float(ctc.probability(lines[i : i + 1], [number])[0]) for i, number in enumerate(numbers)]
    assert together.tolist() == apart


@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_masses_sum_all_numbers_of_a_length(steps: int) -> None:
    lines = frames(10 + steps, steps)
    masses = ctc.length_masses(lines, DIGITS, 4)
    for line, mass in zip(lines, masses, strict=True):
        expected = np.zeros(5)
        for word, share in all_paths(line):
            if len(word) < 5 and all(symbol < DIGITS for symbol in word):
                expected[len(word)] += share
        assert mass == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_the_best_number_of_a_length_is_on_the_best_path(steps: int) -> None:
    lines = frames(20 + steps, steps)
    numbers = ctc.BestNumbers(lines, DIGITS, 4)
    for row, line in enumerate(lines):
        best: dict[int, float] = defaultdict(float)
        spelled: dict[int, tuple[int, ...]] = {}
        for word, share in all_paths(line):
            if len(word) < 5 and all(symbol < DIGITS for symbol in word) and share > best[len(word)]:
                best[len(word)], spelled[len(word)] = share, word
        paths = [numbers.path(row, length) for length in range(5)]
        assert [path and path.number for path in paths] == [spelled.get(length) for length in range(5)]


def test_a_digit_after_itself_needs_a_blank() -> None:
    sure = np.full((1, 3, CLASSES), 1e-9)
    sure[0, :, 1] = 1.0
    assert ctc.BestNumbers(sure, DIGITS, 2).path(0, 1) == ((1,), (1.0,))
    assert ctc.length_masses(sure, DIGITS, 2)[0] == pytest.approx([0, 1, 0], abs=1e-6)
    sure[0, 1] = 1e-9, 1e-9, 1e-9, 1.0
    assert ctc.BestNumbers(sure, DIGITS, 2).path(0, 2) == ((1, 1), (0.0, 2.0))
