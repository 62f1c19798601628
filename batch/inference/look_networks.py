"""The networks of the looks, in LiteRT or TensorFlow: pictures in, logits and the place of the digit out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import ModelError
from batch.inference import model_store
from batch.inference.runtimes import LiteRt, load_keras
from batch.preprocessing.look import LOOK
from batch.records import CLASSES as CLASSES_OF
from batch.records import Input, Manifest

CLASSES = CLASSES_OF[Input.SCAN]  # the ten digits, several digits, no digit
PLACE = 4  # numbers that say where the digit is, see `Seen.places`
KERAS_UNIT = 128  # a Keras network sees (level - ground) / unit; the other has that in its first layer

Pictures = npt.NDArray[np.uint8]
"""Input of a look: (n, 64, 64, 1), see `batch.preprocessing.look.look_input`."""


def scaled(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return what a Keras network sees of pictures; the ground is 0, as padding is."""
    return np.asarray((pictures.astype(np.float32) - LOOK.ground) / KERAS_UNIT, np.float32)


class Seen(NamedTuple):
    """The output of a look for n pictures.

    Attributes:
        logits: Logits of the classes, float32 (n, 12).
        places: Middle x, middle y, width and height of the digit as shares of the picture's side, float32
            (n, 4). They mean nothing where there is not one digit.
    """

    logits: npt.NDArray[np.float32]
    places: npt.NDArray[np.float32]


class Network(Protocol):
    """A loaded network of a look."""

    def see(self, pictures: Pictures) -> Seen:
        """Look at some pictures.

        Args:
            pictures: Pictures of scans, uint8 (n, 64, 64, 1).
        """


class Networks(NamedTuple):
    """The networks of one model.

    Attributes:
        look: The small network, which sees each scan.
        close: The larger network, which looks closer.
    """

    look: Network
    close: Network


def names(runtime: str) -> tuple[str, str]:
    """Return the names of the files of both networks: of the look, and of the one that looks closer.

    Args:
        runtime: `litert` or `tensorflow`.
    """
    if runtime == "tensorflow":
        return model_store.LOOK_KERAS_FILE, model_store.KERAS_FILE
    return model_store.LOOK_FILE, model_store.TFLITE_FILE


def build(files: Mapping[str, bytes], manifest: Manifest, runtime: str = "litert") -> Networks:
    """Build the networks from the content of their files.

    Args:
        files: Content by file name; those of `names` must be among them.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.

    Raises:
        ModelError: A network does not load, or does not fit the manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    look, close = (
        _build(files[name], f"{name} of the model {manifest.name}", name) for name in names(runtime)
    )
    return Networks(look, close)


def _build(content: bytes, title: str, name: str) -> Network:
    """Build one network; raise a ModelError if it cannot look at a blank picture."""
    network = KerasNetwork(content, title) if name.endswith(".keras") else LiteRtNetwork(content, title)
    try:
        seen = network.see(np.zeros((1, LOOK.side_px, LOOK.side_px, 1), np.uint8))
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{title} does not run: {error}; reinstall or train it anew") from error
    if (seen.logits.shape, seen.places.shape) != ((1, CLASSES), (1, PLACE)):
        raise ModelError(f"{title} does not fit its manifest; reinstall or train it anew")
    return network


class LiteRtNetwork:
    """A look in LiteRT.

    Args:
        content: Content of the .tflite file.
        title: Name of the network in messages.

    Raises:
        ModelError: LiteRT cannot load the content.
    """

    def __init__(self, content: bytes, title: str) -> None:
        self._network = LiteRt(content, title, CLASSES, PLACE)

    def see(self, pictures: Pictures) -> Seen:
        """Look at some pictures.

        Args:
            pictures: Pictures of scans, uint8 (n, 64, 64, 1).
        """
        return Seen(*self._network.outputs(pictures))


class KerasNetwork:
    """A look in TensorFlow.

    Args:
        content: Content of the .keras file.
        title: Name of the network in messages.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ModelError: Keras cannot load the content.
    """

    def __init__(self, content: bytes, title: str) -> None:
        self._model = load_keras(content, title)

    def see(self, pictures: Pictures) -> Seen:
        """Look at some pictures.

        Args:
            pictures: Pictures of scans, uint8 (n, 64, 64, 1).
        """
        outputs = self._model.predict_on_batch(scaled(pictures))
        return Seen(*(np.asarray(outputs[name], np.float32) for name in ("logits", "place")))
