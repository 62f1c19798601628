"""The two runtimes of networks: LiteRT, and TensorFlow for those who have it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import MissingExtraError, ModelError
from batch.terminal import stderr


class LiteRt:
    """A network in LiteRT, on one core; the engine starts one worker for each core.

    Args:
        content: Content of the .tflite file.
        title: Name of the network in messages.
        columns: Number of columns of each output, in the order in which digitbox wants them.

    Raises:
        ModelError: LiteRT cannot load the content.
    """

    def __init__(self, content: bytes, title: str, *columns: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            # LiteRT prints start-up messages on the terminal, and no setting stops it.
            with stderr.silence():
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{title} cannot be loaded: {error}; reinstall or train it anew") from error
        self._input: dict[str, Any] = self._interpreter.get_input_details()[0]
        found = {output["shape"][-1]: output["index"] for output in self._interpreter.get_output_details()}
        if not found.keys() >= set(columns):
            raise ModelError(f"{title} does not fit its manifest; reinstall or train it anew")
        self._outputs: list[int] = [found[count] for count in columns]
        self._shape: tuple[int, ...] = tuple(self._input["shape"])

    def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """Compute the outputs for a batch.

        Args:
            batch: Input of the network, uint8 (n, height, width, channels).

        Returns:
            Outputs, float32 (n, columns) each.
        """
        if batch.shape != self._shape:
            # A resize costs about as much as one digit, so digitbox does it only when the shape changes.
            self._interpreter.resize_tensor_input(self._input["index"], batch.shape)
            self._interpreter.allocate_tensors()
            self._shape = batch.shape
        self._interpreter.set_tensor(self._input["index"], batch.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index), np.float32) for index in self._outputs]


def load_keras(content: bytes, title: str) -> Any:
    """Load a network into TensorFlow.

    Args:
        content: Content of the .keras file.
        title: Name of the network in messages.

    Returns:
        The Keras model.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ModelError: Keras cannot load the content.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with stderr.silence():
            import keras
    except ImportError as error:
        raise MissingExtraError("--runtime tensorflow", "train") from error
    # Keras loads only from a path. A file of its own holds exactly the bytes that were verified.
    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
        path = Path(folder) / "network.keras"
        path.write_bytes(content)
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except (ValueError, OSError, TypeError) as error:
            raise ModelError(f"{title} cannot be loaded: {error}; reinstall or train it anew") from error
