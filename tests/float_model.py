"""The float model of LiteRT, made from a model folder. Models ship without it; tests compare with it."""

from pathlib import Path

from batch.inference import model_store
from batch.training import litert


def float_bytes(folder: Path) -> bytes:
    """Return the content of the .tflite file that has the weights of the Keras model as they are."""
    from keras.models import load_model

    with litert._converter(load_model(folder / model_store.KERAS_FILE)) as converter:
        return bytes(converter.convert())
