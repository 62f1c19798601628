"""Tests of labelled images in arrays."""

from __future__ import annotations

import pytest

from batch.training.data.arrays import TEST, TRAIN, UNDIVIDED, part_of


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
