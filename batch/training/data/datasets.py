"""Data sets of labelled digits and of things that are no digit, from Keras or from NumPy archives."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import InputError, MissingExtraError
from batch.records import Grey

DIGIT_PX = 28
NOT_A_DIGIT = 10  # the label of what is no digit; archives have -1
MNIST = "mnist"
MNIST_LICENCE = "CC BY-SA 3.0"
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


def load(source: str) -> Dataset:
    """Load a data set.

    Args:
        source: A data set of Keras, or the path of a .npz archive. Keras downloads its own the first time:
            `mnist`, or `fashion_mnist`, whose clothes are not digits. An archive has the arrays x_train,
            y_train, x_test and y_test, or x and y. Images are uint8 (n, height, width), white ink on black.
            Labels are 0 to 9, or -1 for what is not a digit.

    Raises:
        InputError: If the data set is missing or holds something else.
        MissingExtraError: If it is one of Keras's and TensorFlow is not installed.
    """
    if source in FROM_KERAS:
        return _from_keras(source)
    path = Path(source)
    arrays = read_archive(path)
    if {"x_train", "y_train"} <= set(arrays):
        train = _labelled(arrays["x_train"], arrays["y_train"], source)
        has_test = {"x_test", "y_test"} <= set(arrays)
        test = _labelled(arrays["x_test"], arrays["y_test"], source) if has_test else None
    elif {"x", "y"} <= set(arrays):
        train, test = _labelled(arrays["x"], arrays["y"], source), None
    else:
        raise InputError(f"{source} must hold x_train and y_train, or x and y; it has {sorted(arrays)}")
    return Dataset(path.name, MNIST_LICENCE if path.name == "mnist.npz" else "as its owner says", train, test)


def read_archive(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read the arrays of an .npz archive by name, without pickled objects.

    Raises:
        InputError: If the file is missing or is no such archive.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise InputError(
            f"no data set {path}: give {', '.join(FROM_KERAS)} or the path of a .npz archive"
        ) from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise InputError(f"{path} is not a .npz archive of arrays: {error}") from error


def concatenate(parts: Sequence[Labelled]) -> Labelled:
    """Join several sets of images, in their order."""
    return Labelled(
        np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts])
    )


def _from_keras(name: str) -> Dataset:
    try:
        from keras import datasets
    except ImportError as error:
        raise MissingExtraError(f"--data {name}", "train") from error
    if name == MNIST:
        _check_cached_mnist()
    try:
        parts = getattr(datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception for an error of the network
        raise InputError(
            f"{name} could not be downloaded ({error}): give a local copy with --data FILE.npz"
        ) from error
    train, test = (
        _labelled(images, labels if name == MNIST else np.full(len(labels), -1), name)
        for images, labels in parts
    )
    return Dataset(name, FROM_KERAS[name], train, test)


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
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; allow it, or move it away") from error
    if sha256 != MNIST_SHA256:
        raise InputError(
            f"{path} is not the MNIST of Keras, which would overwrite or delete it: move it to another "
            "folder, and name it with --data FILE.npz if you want to use it"
        )


def _keras_folder() -> Path:
    """Return the folder that Keras will use. Keras does not tell it, so this repeats its rules."""
    home = os.path.expanduser("~")
    base = home if os.access(home, os.W_OK) else "/tmp"  # noqa: S108
    folder = os.path.expanduser(os.environ.get("KERAS_HOME", os.path.join(base, ".keras")))
    return Path(folder if os.access(folder, os.W_OK) else "/tmp/.keras")  # noqa: S108


def _labelled(images: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], source: str) -> Labelled:
    if images.ndim != 3 or images.dtype != np.uint8 or min(images.shape) < 1:
        raise InputError(
            f"{source}: images must be uint8 (n, height, width), not {images.dtype}{images.shape}"
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{source}: {len(images)} images need as many whole numbers as labels")
    numbers = labels.astype(np.int32)
    if numbers.min() < -1 or numbers.max() > 9:
        raise InputError(f"{source}: labels must be 0 to 9, or -1 for what is not a digit")
    numbers[numbers < 0] = NOT_A_DIGIT
    return Labelled(_fit(np.asarray(images, np.uint8)), numbers)


def _fit(images: Grey) -> Grey:
    """Bring images to 28x28 pixels: frame smaller ones, and scale larger ones."""
    height, width = images.shape[1:]
    if (height, width) == (DIGIT_PX, DIGIT_PX):
        return images
    if max(height, width) < DIGIT_PX:
        top, left = (DIGIT_PX - height) // 2, (DIGIT_PX - width) // 2
        frame = (top, DIGIT_PX - height - top), (left, DIGIT_PX - width - left)
        return np.pad(images, ((0, 0), *frame))
    size = DIGIT_PX, DIGIT_PX
    return np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
