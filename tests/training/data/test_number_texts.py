"""Tests of texts of numbers: USPS, LIBSVM and Semeion."""

import gzip
from pathlib import Path

import cv2
import numpy as np
import pytest

from batch.errors import InputError
from batch.training.data import datasets, number_texts
from batch.training.data.arrays import UNDIVIDED
from data_sets import COUNT, IMAGES, LABELS, libsvm, usps_libsvm


def test_semeion_has_bits_and_columns_of_classes(tmp_path: Path) -> None:
    bits = np.rint(IMAGES[:, 6:22, 6:22] / 255)
    rows = np.hstack([bits.reshape(COUNT, -1), np.eye(10)[LABELS]])
    np.savetxt(tmp_path / "semeion.data", rows, fmt="%.4f")
    said: list[str] = []
    loaded = datasets.load(str(tmp_path / "semeion.data"), said.append).train
    assert np.array_equal(loaded.images[:, 6:22, 6:22], bits * 255)
    assert loaded.labels.tolist() == LABELS.tolist()
    assert "as Semeion's" in said[0]


@pytest.mark.parametrize("first", [0, 1])
def test_levels_are_numbered_from_0_or_1(first: int, tmp_path: Path) -> None:
    dotted = IMAGES.copy()
    dotted[7, 0, 0] = 255
    said: list[str] = []
    loaded = datasets.load(str(libsvm(tmp_path, dotted, first)), said.append).train
    assert np.array_equal(loaded.images, dotted)
    assert loaded.labels.tolist() == LABELS.tolist()
    assert f"a label and levels numbered from {first} in each line, as LIBSVM's" in said[0]


@pytest.mark.parametrize("side", [12, 14, 16, 20, 24, 28, 32, 40])
def test_blank_rows_leave_images_their_size(side: int, tmp_path: Path) -> None:
    digit_px = side - 6
    small = [cv2.resize(image[4:24, 4:24], (digit_px, digit_px)) for image in IMAGES]
    images = np.pad(np.array(small, np.uint8), ((0, 0), (2, 4), (3, 3)))
    loaded = number_texts.read(libsvm(tmp_path, images))[UNDIVIDED]
    assert np.array_equal(loaded.images, images)


def test_comments_in_the_form_of_libsvm_are_left_out(tmp_path: Path) -> None:
    path = libsvm(tmp_path)
    first, *others = path.read_text().splitlines()
    lines = ["# written by Gr\u00fcn", "#", "", f"{first} # a tail", "# 3 1:255", *others]
    path.write_text("\n".join(lines), encoding="utf-8")
    loaded = datasets.load(str(path), print).train
    assert np.array_equal(loaded.images, IMAGES)
    assert loaded.labels.tolist() == LABELS.tolist()


def test_comments_of_scikit_learn_say_the_first_number(tmp_path: Path) -> None:
    path = libsvm(tmp_path, first=0)
    assert not IMAGES[:, 0, 0].any()  # so that only the comment says it
    path.write_text("# Column indices are zero-based\n#\n# mine\n" + path.read_text())
    assert np.array_equal(datasets.load(str(path), print).train.images, IMAGES)


def test_comments_in_a_table_of_numbers_are_left_out(tmp_path: Path) -> None:
    rows = np.hstack([LABELS[:, None], IMAGES.reshape(COUNT, -1)])
    np.savetxt(tmp_path / "usps", rows, fmt="%d", header="label and levels")
    assert np.array_equal(datasets.load(str(tmp_path / "usps"), print).train.images, IMAGES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"1 {'0 ' * 256}\n1 0 0\n", "usps, line 2: 3 numbers, and 257 in another line: complete it"),
        (f"1 {'0 ' * 256}\n1 {'x ' * 256}\n", "is no table of numbers"),
        (f"1 {'0 ' * 256}\n1 {'0 ' * 300}\n", "is no table of numbers"),
        (f"1 {'0 ' * 250}", "has no arrays of images"),
        (f"1 1:{'1' * 100_000}", "levels must be"),
        ("1 1:1\n1 -1:1", "has levels number -1 to 1 in 2 lines: they must begin with 0 or 1"),
        ("1 1:1\n" * 50 + "1 999999999:1", "has levels number 1 to 999999999 in 51 lines"),
        ("1 1:1\n1 65536:1\n" * 2100, "in 4200 lines"),
        ("1 1:1\n1 1:\n", "is damaged"),
        ("1 1:1\n1 99999999999999999999:1\n", "is damaged"),
        ("3.5 1:1", "labels must be whole numbers"),
        ("1 1:1\n\xff", "is damaged"),
    ],
)
def test_wrong_texts_of_numbers_say_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "usps"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        datasets.load(str(path), print)


def test_a_folder_of_several_texts_of_numbers_says_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        usps_libsvm(tmp_path).rename(tmp_path / name)
    with pytest.raises(InputError, match="has several data sets, a and b: name one"):
        datasets.load(str(tmp_path), print)


def test_a_compressed_text_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.data.number_texts.MAX_BYTES", 1 << 20)
    path = tmp_path / "usps.gz"
    path.write_bytes(gzip.compress(b"1 1:1\n" * 200_000))
    with pytest.raises(InputError, match="give fewer lines"):
        datasets.load(str(path), print)
    path.write_bytes(gzip.compress(b"1 1:1\n" * 10)[:-4])
    with pytest.raises(InputError, match="is damaged"):
        datasets.load(str(path), print)
