"""Tests of the layouts of labelled images: all give the same scans, and the same examples to train on."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import InputError
from batch.images import decode
from batch.training.data import datasets, labelled_scans, own_scans
from data_sets import (
    COUNT,
    IMAGES,
    LABELS,
    MAKERS,
    OTHER_LABELS,
    OTHERS,
    archive,
    digits,
    divided_folders,
    floats_and_one_hot,
    hugging_face,
    idx,
    idx_files,
    kaggle,
    keras_archive,
    unpacked_idx_files,
)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: getattr(make, "__name__", "short"))
def test_every_layout_gives_the_same_scans(make: Callable[[Path], Path], tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    data.mkdir()
    scratch.mkdir()
    said: list[str] = []
    scans = labelled_scans.load(str(make(data)), scratch, said.append)
    found = {(decode.read(scan.ref, MAX_PIXELS).grey.tobytes(), scan.label) for scan in scans}
    assert len(scans) == COUNT
    assert found == {(image.tobytes(), int(label)) for image, label in zip(IMAGES, LABELS, strict=True)}
    assert len(said) == 1 and str(data) in said[0]


@pytest.mark.parametrize("make", [idx_files, keras_archive, floats_and_one_hot, kaggle, hugging_face])
def test_data_to_train_on(make: Callable[[Path], Path], tmp_path: Path) -> None:
    said: list[str] = []
    data = datasets.load(str(make(tmp_path)), said.append)
    is_divided = make not in (floats_and_one_hot, kaggle)
    assert np.array_equal(data.train.images, OTHERS if is_divided else IMAGES)
    assert np.array_equal(data.train.labels, OTHER_LABELS if is_divided else LABELS)
    assert (data.test is None) != is_divided
    assert "12 images of 28x28 with labels" in said[0] and "light on dark" in said[0]


def test_own_scans_are_those_to_train_on(tmp_path: Path) -> None:
    labels = [label for _, label in own_scans.read(str(divided_folders(tmp_path)), print)]
    assert sorted(labels) == sorted(OTHER_LABELS.tolist())


def test_dark_ink_is_made_light_to_train_on(tmp_path: Path) -> None:
    said: list[str] = []
    data = datasets.load(str(archive(tmp_path, x=255 - IMAGES, y=LABELS)), said.append)
    assert np.array_equal(data.train.images, IMAGES)
    assert "dark on light" in said[0]


def test_small_dark_ink_is_made_light_before_it_is_framed(tmp_path: Path) -> None:
    small = np.ascontiguousarray(IMAGES[:, 4:24, 4:24])
    data = datasets.load(str(archive(tmp_path, x=255 - small, y=LABELS)), lambda _: None)
    assert np.array_equal(data.train.images[:, 4:24, 4:24], small)
    assert data.train.images.sum() == small.sum()


def test_a_narrow_digit_stays_narrow(tmp_path: Path) -> None:
    bars = np.zeros((COUNT, 56, 14), np.uint8)
    bars[:, 4:52, 4:8] = 255
    data = datasets.load(str(archive(tmp_path, x=bars, y=LABELS)), lambda _: None)
    rows, columns = np.nonzero(data.train.images[0] > 127)
    assert [int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1] == [24, 2]


@pytest.mark.parametrize("is_turned", [True, False])
def test_images_on_their_side_are_turned_upright(is_turned: bool, tmp_path: Path) -> None:
    images, labels = digits(0, 60)
    lying = np.ascontiguousarray(images.transpose(0, 2, 1)) if is_turned else images
    prefix = "emnist-digits-"
    (tmp_path / f"{prefix}test-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(lying)))
    (tmp_path / f"{prefix}test-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    said: list[str] = []
    (tmp_path / "scratch").mkdir()
    scans = labelled_scans.load(str(tmp_path), tmp_path / "scratch", said.append)
    assert np.array_equal(decode.read(scans[0].ref, MAX_PIXELS).grey, images[0])
    assert ("turned upright" in said[0]) == is_turned
    assert "as labelled" not in said[0]


def test_labels_of_something_else_are_told(tmp_path: Path) -> None:
    images, labels = digits(0, 60)
    said: list[str] = []
    datasets.load(str(archive(tmp_path, x=images, y=(labels + 1) % 10)), said.append)
    assert "of 60 read as labelled: look at them with explore" in said[0]


def test_several_data_sets_of_torchvision_are_named(tmp_path: Path) -> None:
    for name in ("KMNIST", "MNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
        unpacked_idx_files(tmp_path / name / "raw")
    with pytest.raises(InputError, match=r"several data sets, .*KMNIST/raw/t10k.* and .*/MNIST/raw/t10k"):
        datasets.load(str(tmp_path), print)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a-images-idx3-ubyte", idx(IMAGES), "has no labels: put a-labels-idx1-ubyte beside it"),
        ("set.npz", b"PK\x03\x04 damaged", r"is not a \.npz archive"),
        ("set.npz", b"text", r"is not a \.npz archive"),
        ("test.csv", b",".join([b"pixel"] * 784) + b"\n", "has no labels: it needs a column label"),
        ("a.parquet", b"PAR1 damaged", "cannot read .*a.parquet"),
        ("a.txt", b"something else", "has no arrays of images"),
        ("labels.csv", b"x,y,z\n1,2,3\n", "has no arrays of images"),
    ],
)
def test_what_is_no_data_set_says_what_to_do(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        datasets.load(str(tmp_path / name), print)


def test_a_list_with_a_file_of_another_machine_says_so(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,label\na.png,1\nfile://server/share/x.png,2\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"labels\.csv, line 3: file:// is for files of this machine"):
        labelled_scans.load(str(tmp_path), tmp_path, lambda _: None)


def test_a_list_with_a_name_that_no_file_can_have_says_so(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"file,label\na.png,1\nb\0.png,2\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 3: no file can have the name"):
        labelled_scans.load(str(tmp_path), tmp_path, lambda _: None)
