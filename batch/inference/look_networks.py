"""The networks of the looks, in LiteRT or TensorFlow: pictures in, logits and the place of the digit out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference import model_store, runtimes
from batch.inference.runtimes import Network
from batch.preprocessing.look import LOOK
from batch.records import CLASSES_OF, Input, Manifest

CLASSES = CLASSES_OF[Input.SCAN]  # the ten digits, several digits, no digit
PLACE = 4  # numbers that say where the digit is, see `Networks`
KERAS_UNIT = 128  # a Keras network sees (level - ground) / unit; the other has that in its first layer

Pictures = npt.NDArray[np.uint8]
"""Input of a look: (n, 64, 64, 1), see `batch.preprocessing.look.look_input`."""


def scaled(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return what a Keras network sees of pictures; the ground is 0, as padding is."""
    return np.asarray((pictures.astype(np.float32) - LOOK.ground) / KERAS_UNIT, np.float32)


class Networks(NamedTuple):
    """The networks of one model.

    Each says the logits of the classes, float32 (n, 12). The first two also say where the digit is: middle x,
    middle y, width and height as shares of the picture's side, float32 (n, 4). These mean nothing where there
    is not one digit.

    Attributes:
        look: The small network, which sees each scan.
        close: The larger network, which looks closer at the whole scan.
        place: A network as large as that, which sees the place of the digit.
    """

    look: Network
    close: Network
    place: Network


def names(runtime: str) -> tuple[str, str, str]:
    """Return the names of the files of the networks, in the order of `Networks`.

    Args:
        runtime: `litert` or `tensorflow`.
    """
    if runtime == "tensorflow":
        return model_store.LOOK_KERAS_FILE, model_store.KERAS_FILE, model_store.PLACE_KERAS_FILE
    return model_store.LOOK_FILE, model_store.TFLITE_FILE, model_store.PLACE_FILE


def build(files: Mapping[str, bytes], manifest: Manifest, runtime: str) -> Networks:
    """Build the networks from the content of their files.

    Args:
        files: Content by file name; those of `names` must be among them.
        manifest: Manifest of the model.
        runtime: `litert` or `tensorflow`.

    Raises:
        ModelError: A network does not load, or does not fit the manifest.
        MissingExtraError: TensorFlow is not installed.
    """
    outputs = (CLASSES, PLACE), (CLASSES, PLACE), (CLASSES,)
    return Networks(
        *(
            runtimes.load(
                files[name],
                f"{name} of the model {manifest.name}",
                runtime,
                (LOOK.side_px, LOOK.side_px),
                *columns,
                keras_input=scaled,
            )
            for name, columns in zip(names(runtime), outputs, strict=True)
        )
    )
