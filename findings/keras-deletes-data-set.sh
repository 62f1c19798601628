#!/bin/sh
# Keras deletes a data set of the user if it has another digest than Keras's and cannot be downloaded anew.
#
# Seen with keras 3.15.1, backend jax, without network: `keras.datasets.mnist.load_data()` finds a valid
# mnist.npz in $KERAS_HOME/datasets whose SHA-256 is not the one it expects (e.g. with images of one's own). It
# tries to download the data set, fails, and removes the file. With a network, it overwrites the file. So
# does `keras.utils.get_file` with `file_hash`. The documentation of both names neither.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 numpy==2.4.6 jax==0.10.2
# Nothing listens on this port, so the download fails as without network.
https_proxy=http://127.0.0.1:9 KERAS_HOME="$folder/home" KERAS_BACKEND=jax \
    "$folder/venv/bin/python" - <<'PYTHON'
import os
from pathlib import Path

import keras
import numpy as np

print("Keras", keras.__version__)
file = Path(os.environ["KERAS_HOME"]) / "datasets" / "mnist.npz"
file.parent.mkdir(parents=True)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def load(call):
    """Write a data set of 10 images, let Keras look for it, and return Keras's error."""
    images, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10)
    np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels)
    try:
        call()
    except Exception as error:
        return str(error)
    return ""


error = load(keras.datasets.mnist.load_data)
print(" ", error)
expect("load_data fails without network:", "URL fetch failure" in error)
expect("the user's mnist.npz is gone:", not file.exists())
origin = "https://example.org/mnist.npz"
load(lambda: keras.utils.get_file("mnist.npz", origin, file_hash="0" * 64))
expect("get_file with another file_hash deletes it, too:", not file.exists())
load(lambda: keras.utils.get_file("mnist.npz", origin))
expect("get_file without file_hash leaves it:", file.exists())
PYTHON
