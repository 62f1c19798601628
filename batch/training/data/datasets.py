"""Data sets to train on, from Keras or from files of the usual layouts."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import InputError, MissingExtraError
from batch.preprocessing.normalise import DIGIT_PX
from batch.records import Grey
from batch.storage.durable import digest
from batch.training.data import layouts
from batch.training.data.arrays import NAMES_ADVICE, TEST, TRAIN, UNDIVIDED, LabelledImages
from batch.training.progress import Progress

NOT_A_DIGIT = 10  # the label of what is no digit; archives have -1
MNIST = "mnist"
MNIST_LICENCE = "CC BY-SA 3.0"
NO_LICENCE = "none stated"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"  # as Keras has it
FASHION = "fashion_mnist"
FROM_KERAS = {MNIST: MNIST_LICENCE, FASHION: "MIT"}


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Images with their labels.

    Attributes:
        images: Images, uint8 (n, 28, 28), white ink on black.
        labels: Labels, int32 (n,), 0 to 9 or `NOT_A_DIGIT`.
    """

    images: Grey
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_digits(self) -> npt.NDArray[np.bool_]:
        """The mask of the digits, (n,)."""
        return self.labels != NOT_A_DIGIT

    def take(self, index: npt.NDArray[np.integer | np.bool_]) -> Labelled:
        """Return the images at these positions, or where a mask is true."""
        return Labelled(self.images[index], self.labels[index])

    def pairs(self) -> list[tuple[Grey, int]]:
        """Return each image with its label."""
        return list(zip(self.images, self.labels.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Dataset:
    """The images of one `--data`.

    Attributes:
        name: Name of the data set, for the card.
        licence: Its licence, for the card.
        train: Images to train on.
        test: Images to test on; None if it has none.
    """

    name: str
    licence: str
    train: Labelled
    test: Labelled | None


def load(source: str, say: Progress) -> Dataset:
    """Load a data set.

    Args:
        source: A data set of Keras, or the path of one of the layouts of `layouts.find_arrays`. Keras
            downloads its own the first time: `mnist`, or `fashion_mnist`, whose clothes are not digits.
        say: Receives a line that says what was taken for what.

    Raises:
        InputError: If the data set is missing or holds something else.
        MissingExtraError: If it is one of Keras's and TensorFlow is not installed.
    """
    if source in FROM_KERAS:
        return _from_keras(source)
    path = Path(source)
    if not path.exists():
        raise InputError(f"no data set {path}: give {', '.join(FROM_KERAS)} or the path of a data set")
    found = layouts.find_arrays(path)
    if found is None:
        raise InputError(
            f"{path} has no arrays of images: for scans and sheets, give --extra; else see docs/training.md"
        )
    parts = {name: _labelled(part, source, say) for name, part in found.items()}
    train = parts.get(TRAIN, parts.get(UNDIVIDED))
    if train is None:
        raise InputError(f"{path} has images to test on and none to train on: {NAMES_ADVICE}")
    licence = MNIST_LICENCE if path.name == "mnist.npz" else NO_LICENCE
    return Dataset(path.name, licence, train, parts.get(TEST))


def concatenate(parts: Sequence[Labelled]) -> Labelled:
    """Join several sets of images, in their order."""
    return Labelled(
        np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts])
    )


def _from_keras(name: str) -> Dataset:
    try:
        from keras import datasets
    except ImportError as error:
        raise MissingExtraError(name, "train") from error
    if name == MNIST:
        _check_cached_mnist()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras prints what it downloads
            parts = getattr(datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception for an error of the network
        raise InputError(f"{name} could not be downloaded ({error}): {_copy_advice(name)}") from error
    train, test = (
        Labelled(
            np.asarray(images, np.uint8), _with_others(labels if name == MNIST else np.full(len(labels), -1))
        )
        for images, labels in parts
    )
    return Dataset(name, FROM_KERAS[name], train, test)


def _copy_advice(name: str) -> str:
    """Return what to do without a network."""
    if name == MNIST:
        return (
            f"in place of {name}, give the path of a copy, e.g. data/mnist.npz (digitbox train takes it with "
            "--data)"
        )
    # A path would do for digits only: the labels of the copy are those of clothes.
    return f"put its four files, *-ubyte.gz, into {_keras_folder() / 'datasets' / 'fashion-mnist'}"


def _check_cached_mnist() -> None:
    """Check the file that Keras will take for its copy of MNIST.

    Keras 3.15 downloads the data again if the SHA-256 of that file is another. It overwrites the file, and
    deletes it if the download fails. It may be somebody's only copy.

    Raises:
        InputError: There is such a file, and it is not Keras's.
    """
    path = _keras_folder() / "datasets" / "mnist.npz"
    if not os.path.exists(path):
        return
    try:
        sha256 = digest(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; allow it, or move it away") from error
    if sha256 != MNIST_SHA256:
        raise InputError(
            f"{path} is not the MNIST of Keras, which would overwrite or delete it: move it to another "
            f"folder, and give its path in place of {MNIST} if you want to use it"
        )


def _keras_folder() -> Path:
    """Return the folder that Keras will use. Keras does not tell it, so this repeats its rules."""
    home = os.path.expanduser("~")
    base = home if os.access(home, os.W_OK) else "/tmp"  # noqa: S108
    folder = os.path.expanduser(os.environ.get("KERAS_HOME", os.path.join(base, ".keras")))
    return Path(folder if os.access(folder, os.W_OK) else "/tmp/.keras")  # noqa: S108


def _labelled(part: LabelledImages, source: str, say: Progress) -> Labelled:
    """Return images as the training needs them: upright, light on dark, 28x28 pixels."""
    part = layouts.upright(part, source, say)
    is_dark = layouts.is_dark_on_light(part.images)  # before black paper is put around small ones
    images = np.stack([_fit(~image if is_dark else image) for image in part.images])
    return Labelled(images, _with_others(part.labels))


def _with_others(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Return labels with `NOT_A_DIGIT` for -1."""
    return np.where(labels < 0, NOT_A_DIGIT, labels).astype(np.int32)


def _fit(image: Grey) -> Grey:
    """Bring a light image on black to 28x28 pixels: scale a larger one, and frame it. A 1 stays narrow."""
    height, width = image.shape
    scale = DIGIT_PX / max(height, width)
    if scale < 1:
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    top, left = (DIGIT_PX - height) // 2, (DIGIT_PX - width) // 2
    return np.pad(image, ((top, DIGIT_PX - height - top), (left, DIGIT_PX - width - left)))
