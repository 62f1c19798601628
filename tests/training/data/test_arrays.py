"""Tests of labelled images in arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.errors import InputError
from batch.training.data import arrays as named_arrays
from batch.training.data import datasets
from batch.training.data.arrays import TEST, TRAIN, UNDIVIDED, part_of
from batch.training.data.datasets import NOT_A_DIGIT
from data_sets import COUNT, IMAGES, LABELS, archive, hugging_face, keras_archive, numpy_files


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("zip.train.gz", TRAIN),
        ("emnist-digits-test-images-idx3-ubyte.gz", TEST),
        ("t10k-images-idx3-ubyte", TEST),
        ("data/validation-00000-of-00001.parquet", TEST),
        ("MNIST_Training.csv", TRAIN),
        ("testset/valid/a.png", TEST),
        ("train/old-test/1.txt", TEST),  # the last word counts
        ("latest.parquet", UNDIVIDED),
        ("contest/constrained.txt", UNDIVIDED),
    ],
)
def test_a_path_names_its_part(path: str, part: str) -> None:
    assert part_of(path) == part


def test_minus_one_is_what_is_no_digit(tmp_path: Path) -> None:
    path = archive(tmp_path, images=IMAGES, labels=np.full(COUNT, -1.0))
    assert set(datasets.load(str(path), print).train.labels.tolist()) == {NOT_A_DIGIT}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": IMAGES}, "name the arrays x_train and y_train"),
        ({"x": IMAGES, "y": LABELS[:3]}, "12 images have 3 labels"),
        ({"x": IMAGES.astype(int) * 2, "y": LABELS}, "levels must be 0 to 255, or 0 to 1, not 0 to 510"),
        ({"x": IMAGES / 255 - 0.5, "y": LABELS}, "levels must be 0 to 255"),
        ({"x": np.full(IMAGES.shape, np.nan), "y": LABELS}, "levels must be numbers, and some are nan"),
        ({"x": IMAGES[:, :, :3, None, None], "y": LABELS}, r"images must be \(n, height, width\)"),
        ({"x": IMAGES, "y": LABELS + 30}, r"they are 3.*; numbers are for a labels\.csv, or folders"),
        ({"x": IMAGES, "y": [*"1234567890", "07", "1"]}, r"not '07'; numbers are for a labels\.csv"),
        ({"x": IMAGES, "y": np.array([b"007"] * COUNT)}, "not '007'; numbers are for"),
        ({"x": IMAGES, "y": LABELS + 0.5}, r"labels must be whole numbers, not \d\.5"),
        ({"x": IMAGES, "y": LABELS[:, None, None]}, r"labels must be one for each image, not \(12, 1, 1\)"),
        ({"x": IMAGES, "y": ["a"] * COUNT}, "labels must be whole numbers"),
        ({"x": IMAGES, "y": np.ones((COUNT, 10))}, "each row of ten labels must have a single 1"),
        ({"x": IMAGES, "y": np.full(COUNT, np.nan)}, "12 of 12 labels are missing"),
    ],
)
def test_wrong_arrays_say_what_is_wrong(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        datasets.load(str(archive(tmp_path, **arrays)), print)


def test_a_numpy_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    numpy_files(tmp_path)
    np.save(tmp_path / "test_labels.npy", np.array([None, "3"]))
    for source in (tmp_path, tmp_path / "test_images.npy", tmp_path / "test_labels.npy"):
        with pytest.raises(InputError, match=r"/test_labels\.npy is not a \.npy file of arrays: Object"):
            datasets.load(str(source), print)


@pytest.mark.parametrize("make", [keras_archive, numpy_files, hugging_face])
def test_arrays_that_are_too_large_are_not_read(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_arrays, "MAX_BYTES", 1000)
    source = make(tmp_path)
    with pytest.raises(InputError, match=r"has [\d,]+ bytes of arrays: give a smaller file"):
        datasets.load(str(source), print)
