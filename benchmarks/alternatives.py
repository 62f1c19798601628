"""Programs to compare digitbox with: decoding alone, and what a user writes in an hour.

python benchmarks/alternatives.py decode FOLDER       cv2.imread in as many processes as cores
python benchmarks/alternatives.py tfdata FOLDER       tf.data and Keras, the look alone, pictures just resized
python benchmarks/alternatives.py loop FOLDER         model.predict on one image after another
python benchmarks/alternatives.py parts FOLDER        decoding, pictures and networks on one core
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_IMAGES = 1000  # for the parts, which read all of them into memory
SIDE_PX, GROUND, UNIT = 64, 48, 128  # the input of the look in Keras
ROUNDS = 3  # of the parts; the shortest time counts


def decode(folder: Path) -> None:
    """Decode all files and forget them."""
    paths = sorted(map(str, folder.iterdir()))
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        pool.map(_decode, [paths[start::cores] for start in range(cores)])


def _decode(paths: list[str]) -> None:
    import cv2

    cv2.setNumThreads(1)
    for path in paths:
        cv2.imread(path, cv2.IMREAD_GRAYSCALE)


def tfdata(folder: Path) -> None:
    """Decode with tf.data, predict with Keras, and write a CSV."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    model = _keras_model()
    paths = sorted(map(str, folder.iterdir()))

    def load(path: Any) -> Any:
        image = tf.io.decode_image(tf.io.read_file(path), channels=1, expand_animations=False)
        return (tf.image.resize(image, (SIDE_PX, SIDE_PX)) - GROUND) / UNIT

    data = tf.data.Dataset.from_tensor_slices(paths).map(load, tf.data.AUTOTUNE)
    logits = model.predict(data.batch(256).prefetch(tf.data.AUTOTUNE), verbose=0)["logits"]
    with (folder.parent / "tfdata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(zip(paths, logits.argmax(axis=1), logits.max(axis=1), strict=True))


def loop(folder: Path) -> None:
    """Read, resize and predict one image after another."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import cv2

    model = _keras_model()
    for path in sorted(folder.iterdir()):
        image = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (SIDE_PX, SIDE_PX))
        model.predict((image[None, :, :, None].astype("float32") - GROUND) / UNIT, verbose=0)


def _keras_model() -> Any:
    import keras

    from batch.inference import model_store

    return keras.models.load_model(model_store.find(None) / model_store.LOOK_KERAS_FILE, compile=False)


def parts(folder: Path) -> None:
    """Print the shortest of three times of each part, in microseconds an image, as JSON."""
    import cv2

    from batch.config import MAX_PIXELS
    from batch.images import decode as images_decode
    from batch.inference import model_store, models
    from batch.preprocessing.look import look_input
    from batch.records import ScanRef

    cv2.setNumThreads(1)
    path = model_store.find(None)
    looks = models.load(path).looks
    assert looks is not None
    refs = [ScanRef(str(path), path.name) for path in sorted(folder.iterdir())[:MAX_IMAGES]]
    greys = [images_decode.read(ref, MAX_PIXELS).grey for ref in refs]
    pictures = [look_input(grey) for grey in greys]
    works: dict[str, Callable[[], object]] = {
        "imread": lambda: [cv2.imread(ref.path, cv2.IMREAD_GRAYSCALE) for ref in refs],
        "read and check": lambda: list(images_decode.read_all(refs, MAX_PIXELS, 1)),
        "pictures": lambda: [look_input(grey) for grey in greys],
        "look at all": lambda: looks.look(pictures),
        "look closer at all": lambda: looks.look_closer(greys, pictures),
        "both, as a run does": lambda: looks.see(greys),
    }
    shortest = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            shortest[name] = min(shortest[name], (time.perf_counter() - started) / len(refs) * 1e6)
    print(json.dumps({name: round(value, 1) for name, value in shortest.items()}))


if __name__ == "__main__":
    {work.__name__: work for work in (decode, tfdata, loop, parts)}[sys.argv[1]](Path(sys.argv[2]))
