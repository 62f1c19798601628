"""Tests of the IDX files of MNIST and its kin."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from batch.errors import InputError
from batch.training.data import datasets, layouts
from data_sets import COUNT, IMAGES, LABELS, Pixels, idx, idx_files


@pytest.mark.parametrize("cut", [3, 10, 40, -1])
@pytest.mark.parametrize("compress", [True, False])
def test_damaged_idx_files_say_so(cut: int, compress: bool, tmp_path: Path) -> None:
    idx_files(tmp_path, compress=compress)
    (path,) = tmp_path.glob("train-images*")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"damaged|has no arrays|none to train on"):
        datasets.load(str(tmp_path), print)


@pytest.mark.parametrize("name", ["", "t10k-images-idx3-ubyte"])
@pytest.mark.parametrize("kind", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
def test_idx_files_may_have_any_kind_of_numbers(kind: str, name: str, tmp_path: Path) -> None:
    images = IMAGES / 255 if "f" in kind else IMAGES if kind != "i1" else IMAGES // 255
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images.astype(kind)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS.astype(kind)))
    parts = layouts.find_arrays(tmp_path / name)
    assert parts is not None and np.array_equal(parts["test"].labels, LABELS)
    levels = np.asarray(parts["test"].images)
    assert np.array_equal(levels, IMAGES if kind != "i1" else IMAGES // 255 * 255)


@pytest.mark.parametrize(
    "name", ["", "raw", "raw/qmnist-test-images-idx3-ubyte", "raw/qmnist-test-labels-idx2-int"]
)
def test_qmnist_as_torchvision_leaves_it(name: str, tmp_path: Path) -> None:
    """A label of QMNIST is a row: the digit first, then the writer and so on."""
    columns = np.stack([LABELS, *(np.arange(COUNT) + place for place in range(7))], axis=1)
    (tmp_path / "raw").mkdir()
    for file, content in (
        ("images-idx3-ubyte", idx(IMAGES)),
        ("labels-idx2-int", idx(columns.astype(">i4"))),
    ):
        (tmp_path / "raw" / f"qmnist-test-{file}").write_bytes(content)
        (tmp_path / "raw" / f"qmnist-test-{file}.gz").write_bytes(gzip.compress(content))
    parts = layouts.find_arrays(tmp_path / name)
    assert parts is not None and np.array_equal(parts["test"].labels, LABELS)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("digits.idx", IMAGES, 'digits.idx has no labels: have "images" and "labels" in the two names'),
        ("answers.idx", LABELS, "answers.idx has no images: put them beside it, or name their file"),
        ("t10k-labels-idx1-ubyte", LABELS, "has no images: put them beside it, or name their file"),
    ],
)
def test_an_idx_file_alone_says_what_to_do(name: str, array: Pixels, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(InputError, match=message):
        layouts.find_arrays(tmp_path / name)


def test_an_idx_file_that_claims_too_much_is_not_read(tmp_path: Path) -> None:
    sizes = b"\xff\xff\xff\xff" * 3
    idx_files(tmp_path)
    (path,) = tmp_path.glob("train-images*")
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + sizes))
    with pytest.raises(InputError, match=r"has [0-9,]+ bytes of arrays: give a smaller file"):
        datasets.load(str(tmp_path), print)
