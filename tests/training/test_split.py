"""What is held out of the data sets and of the user's own scans."""

import numpy as np
import pytest

from batch.errors import ConfigError
from batch.training.data.datasets import NOT_A_DIGIT, Dataset, Labelled
from batch.training.split import Split, split

OWN = [(np.full((30, 30), 100 + number, np.uint8), number % 10) for number in range(40)]
OWN_NON_DIGITS = [(np.full((20, 20), 100 + number, np.uint8), NOT_A_DIGIT) for number in range(40)]


def dataset(count: int, *, digits: bool = True) -> Dataset:
    """Return a data set of images that differ, 28x28."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    labels = np.arange(count, dtype=np.int32) % 10 if digits else np.full(count, NOT_A_DIGIT, np.int32)
    return Dataset("counted", "mine", Labelled(images, labels), None)


def split_quietly(*data: Dataset) -> Split:
    return split(data, [*OWN, *OWN_NON_DIGITS], lambda _: None)


def test_a_twelfth_of_each_data_set_is_held_out() -> None:
    images = split_quietly(dataset(1200), dataset(240, digits=False))
    assert (len(images.held_out), len(images.training)) == (100, 1100)
    held_out = {image.tobytes() for image in images.held_out.images}
    assert not held_out & {image.tobytes() for image in images.training.images}


def test_the_split_is_the_same_each_time() -> None:
    first, second = split_quietly(dataset(1200)), split_quietly(dataset(1200))
    assert np.array_equal(first.held_out.images, second.held_out.images)
    assert np.array_equal(first.training.images, second.training.images)


def test_no_other_data_set_changes_what_is_held_out() -> None:
    data, other = dataset(1200), dataset(240)
    alone, beside = split_quietly(data), split_quietly(other, data)
    held_out = {image.tobytes() for image in beside.held_out.images}
    assert {image.tobytes() for image in alone.held_out.images} <= held_out


def test_a_small_data_set_is_repeated() -> None:
    images = split_quietly(dataset(1200), dataset(75))
    assert len(images.training) == 1100 + 4 * (75 - 6)


def test_what_is_no_digit_is_left_out() -> None:
    images = split_quietly(dataset(1200), dataset(240, digits=False))
    assert len(images.own_training) + len(images.own_held_out) == 40
    assert len(images.training) + len(images.held_out) == 1200


def test_progress_counts_both_sides() -> None:
    lines: list[str] = []
    split([dataset(1200)], OWN, lines.append)
    held_out = sum(int(line.split()[-3]) for line in lines if "own scans" in line)
    assert lines[0] == "1100 digits to train on, 100 held out"
    assert 0 < held_out < 20


def test_refuse_data_without_digits() -> None:
    with pytest.raises(ConfigError, match="no digits to train on"):
        split_quietly(dataset(24, digits=False))


def test_a_single_digit_is_held_out_and_not_trained_on() -> None:
    with pytest.raises(ConfigError, match="no digits to train on"):
        split_quietly(dataset(1))
    images = split_quietly(dataset(1200), dataset(1))
    assert (len(images.training), len(images.held_out)) == (1100, 101)
