#!/bin/sh
# USearch, an index to find the nearest scans, takes the bytes of images for bits, and compares only the first rows.
#
# Seen with usearch 2.26.6 on the scans of scikit-learn's `load_digits`, drawn as large as those of MNIST. To
# `Index(ndim=784, metric="l2sq")`, an array of uint8 with 784 columns is one of 6,272 bits (`b1x8`). `add` and
# `search` neither ask for 98 columns nor complain: they take the bits of the first 98 bytes as 784 numbers 0 and 1.
# These are the three and a half rows at the top, which are blank, so all distances are 0, and the nearest scan has
# the right digit for a tenth. Nothing is said. As floats, nearly all are right. If only the scan that is asked for
# has bytes, its bits are compared with the levels of the others. An index with `dtype="u8"`, which is for such
# numbers, does the same. int8 is not taken for bits, but an index of floats divides it by 127.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q usearch==2.26.6 numpy==2.4.6 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import numpy as np
from sklearn.datasets import load_digits
from usearch.index import Index

print("usearch", version("usearch"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


small, digits = load_digits(return_X_y=True)
large = np.kron(small.reshape(-1, 8, 8), np.ones((2, 2)))  # 16 x 16 pixels of 0 to 16
scans = np.pad(large * 15.9, ((0, 0), (6, 6), (6, 6))).astype(np.uint8).reshape(-1, 784)
known, asked = scans[:1000], scans[1000:]


def index_of(array, dtype="f32"):
    index = Index(ndim=784, metric="l2sq", dtype=dtype)
    index.add(np.arange(len(array)), array)
    return index


def right(name, index, array):
    """Return the share of scans whose nearest scan has their digit, and all distances."""
    found = index.search(array, 1)
    share = float(np.mean(digits[np.asarray(found.keys).ravel()] == digits[1000:]))
    print(f"  {name}: {share:.0%} right, distances up to {np.max(found.distances):.0f}")
    return share, np.asarray(found.distances)


floats, nearest = known.astype(np.float32), asked.astype(np.float32)
share, _ = right("floats", index_of(floats), nearest)
expect("as floats, nearly all are right:", share > 0.93)
for dtype in ("f32", "u8"):
    share, distances = right(f"bytes, in an index of {dtype}", index_of(known, dtype), asked)
    expect("as bytes, about a tenth is right:", share < 0.2)
    expect("all distances are 0:", not distances.any())
share, _ = right("floats, and bytes to ask for", index_of(floats), asked)
expect("if only the scans to ask for have bytes, about a tenth is right:", share < 0.2)
one = np.arange(784).astype(np.uint8)[np.newaxis]
kept = index_of(one).get(0)
expect("784 numbers 0 and 1 are kept:", kept.shape == (784,) and set(np.unique(kept)) == {0.0, 1.0})
expect("they are the bits of the first 98 bytes:", np.array_equal(kept, np.unpackbits(one[0, :98])))
signed = index_of(np.arange(-100, 684).clip(-100, 100).astype(np.int8)[np.newaxis]).get(0)
expect("int8 is divided by 127:", np.allclose(signed[[0, -1]], [-100 / 127, 100 / 127], atol=0.01))
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
