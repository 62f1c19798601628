"""The two runtimes of networks: LiteRT, and TensorFlow for those who have it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import MissingExtraError, ModelError
from batch.terminal import stderr

Batch = npt.NDArray[np.uint8]
"""Input of a network, (n, height, width, channels)."""


class Network(Protocol):
    """A loaded network."""

    def outputs(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        """Compute the outputs for a batch.

        Args:
            batch: Input of the network, uint8 (n, height, width, channels).

        Returns:
            Outputs, float32 (n, columns) each.
        """


def load(
    content: bytes,
    title: str,
    runtime: str,
    shape: tuple[int, int],
    *columns: int,
    keras_input: Callable[[Batch], npt.NDArray[Any]] | None = None,
) -> Network:
    """Load a network, and let it see a blank input.

    Args:
        content: Content of its file.
        title: Name of the network in messages.
        runtime: `litert` or `tensorflow`.
        shape: Height and width of an input, in pixels.
        columns: Number of columns of each output, in the order in which digitbox wants them.
        keras_input: Function that returns what a Keras network sees of a batch; None for the batch itself.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ModelError: The runtime cannot load the content, or the network does not fit.
    """
    network: Network
    if runtime == "tensorflow":
        network = _Keras(load_keras(content, title), columns, keras_input)
    else:
        network = LiteRt(content, title, *columns)
    try:
        outputs = network.outputs(np.zeros((1, *shape, 1), np.uint8))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"{title} does not run: {error}; reinstall or train it anew") from error
    if [output.shape[-1] for output in outputs] != [*columns]:
        raise _misfit(title)
    return network


def _misfit(title: str) -> ModelError:
    return ModelError(f"{title} does not fit its manifest; reinstall or train it anew")


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
            raise _misfit(title)
        self._outputs: list[int] = [found[count] for count in columns]
        self._shape: tuple[int, ...] = tuple(self._input["shape"])

    def outputs(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        """Compute the outputs for a batch; see `Network`."""
        if batch.shape != self._shape:
            # A resize costs about as much as one digit, so digitbox does it only when the shape changes.
            self._shape = ()  # Ctrl-C may come before the new shape is in use
            self._interpreter.resize_tensor_input(self._input["index"], batch.shape)
            self._interpreter.allocate_tensors()
            self._shape = batch.shape
        self._interpreter.set_tensor(self._input["index"], batch.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index), np.float32) for index in self._outputs]


class _Keras:
    """A network in TensorFlow; its outputs are those of the columns that it has."""

    def __init__(
        self, model: Any, columns: tuple[int, ...], see: Callable[[Batch], npt.NDArray[Any]] | None
    ) -> None:
        self._model, self._columns, self._see = model, columns, see

    def outputs(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        """Compute the outputs for a batch; see `Network`."""
        answer = self._model.predict_on_batch(batch if self._see is None else self._see(batch))
        outputs = answer.values() if isinstance(answer, dict) else [answer]
        found = {output.shape[-1]: output for output in outputs}
        return [np.asarray(found[count], np.float32) for count in self._columns if count in found]


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
