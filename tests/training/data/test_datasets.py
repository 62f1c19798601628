import hashlib
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.errors import InputError, MissingExtraError
from batch.training.data import datasets
from command import environment
from data_sets import archive

IMAGES, LABELS = np.zeros((5, 28, 28), np.uint8), np.arange(5)


def test_load_archives_with_and_without_test_images(tmp_path: Path) -> None:
    undivided = datasets.load(str(archive(tmp_path, x=IMAGES, y=LABELS)), print)
    assert (len(undivided.train), undivided.test, undivided.licence) == (5, None, "none stated")
    divided = datasets.load(
        str(archive(tmp_path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2])), print
    )
    assert divided.test is not None
    assert (len(divided.train), len(divided.test)) == (5, 2)
    assert len(datasets.concatenate([undivided.train, divided.train])) == 10


def test_minus_one_is_the_label_of_what_is_not_a_digit(tmp_path: Path) -> None:
    loaded = datasets.load(str(archive(tmp_path, x=IMAGES, y=np.array([3, -1, 0, -1, 9]))), print).train
    assert loaded.labels.tolist() == [3, datasets.NOT_A_DIGIT, 0, datasets.NOT_A_DIGIT, 9]
    assert loaded.take(loaded.are_digits).labels.tolist() == [3, 0, 9]


@pytest.mark.parametrize("side", [16, 28, 64])
def test_images_of_other_sizes_become_28_pixels(side: int, tmp_path: Path) -> None:
    images = np.zeros((1, side, side), np.uint8)
    images[0, side // 2, side // 2] = 255
    loaded = datasets.load(str(archive(tmp_path, x=images, y=LABELS[:1])), print).train
    assert loaded.images.shape == (1, 28, 28)
    assert loaded.images[0, 10:18, 10:18].any()


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": IMAGES},
        {"x": IMAGES.astype(complex), "y": LABELS},
        {"x": IMAGES[0], "y": LABELS},
        {"x": IMAGES, "y": LABELS[:3]},
        {"x": IMAGES, "y": LABELS + 8},
        {"x": IMAGES, "y": LABELS - 2},
        {"x": IMAGES, "y": LABELS * 0.5},
        {"x": IMAGES[:0], "y": LABELS[:0]},
        {"x": np.array([{}], object), "y": LABELS},
    ],
)
def test_refuse_other_archives(arrays: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        datasets.load(str(archive(tmp_path, **arrays)), print)


def test_refuse_missing_files_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set"):
        datasets.load(str(tmp_path / "gone.npz"), print)
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(InputError, match=r"not a \.npz"):
        datasets.load(str(tmp_path / "text.npz"), print)


def test_mnist_needs_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("keras", "keras.datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match="train"):
        datasets.load("mnist", print)


class Keras(types.ModuleType):
    """Keras as far as it loads data; it deletes a file that is not its own, as Keras 3.15 does."""

    def __init__(self, own: Path) -> None:
        super().__init__("keras")
        self.datasets = self.mnist = self.fashion_mnist = self
        self._own = own

    def load_data(self) -> Any:
        if self._own.exists() and self._own.read_bytes() != b"Keras's":
            self._own.unlink()
        if not self._own.exists():
            print("Downloading data")
            raise Exception("URL fetch failure")
        return (IMAGES, LABELS), (IMAGES, LABELS)


def test_a_file_that_keras_would_delete_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "datasets" / "mnist.npz"
    path.parent.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "keras", Keras(path))
    monkeypatch.setattr(datasets, "MNIST_SHA256", hashlib.sha256(b"Keras's").hexdigest())
    path.write_bytes(b"Keras's")
    assert len(datasets.load("mnist", print).train) == 5
    path.write_bytes(b"the only copy of mine")
    with pytest.raises(InputError, match=r"mnist\.npz is not the MNIST of Keras, which would overwrite"):
        datasets.load("mnist", print)
    assert path.read_bytes() == b"the only copy of mine"
    path.unlink()
    capsys.readouterr()
    with pytest.raises(InputError, match=r"could not be downloaded .*: in place of mnist, give the path"):
        datasets.load("mnist", print)
    assert capsys.readouterr() == ("", "Downloading data\n")
    with pytest.raises(InputError) as raised:
        datasets.load("fashion_mnist", print)
    folder = tmp_path / "datasets" / "fashion-mnist"
    assert str(raised.value).endswith(f"put its four files, *-ubyte.gz, into {folder}")


@pytest.mark.slow
def test_digitbox_knows_which_file_keras_would_delete(tmp_path: Path) -> None:
    """If this fails, Keras has another folder, another digest, or deletes nothing any more."""
    for folder in (tmp_path / ".keras", tmp_path / "home"):
        (folder / "datasets").mkdir(parents=True)
        (folder / "datasets" / "mnist.npz").write_text("mine")
    code = """
import importlib, os, urllib.error
import keras
from keras.src.backend import config
from keras.src.utils import file_utils
from batch.training.data import datasets
def refuse(*_):
    raise urllib.error.URLError("no network")
def load():
    path = datasets._keras_folder() / "datasets" / "mnist.npz"
    assert path.exists()
    try:
        keras.datasets.mnist.load_data()
    except Exception as error:
        print(path.parts[-3], path.exists(), error)
file_utils.urlretrieve = refuse
load()
os.environ["KERAS_HOME"] = os.path.expanduser("~/home")
importlib.reload(config)
load()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count(f"original value of {datasets.MNIST_SHA256}") == 2
    assert ".keras False URL fetch failure" in done.stdout
    assert "home False URL fetch failure" in done.stdout
