#!/bin/sh
# scikit-learn writes scans in the form of LIBSVM, and reads them back with each pixel one place further left.
#
# Seen with scikit-learn 1.9.1 on its own `load_digits`, where the first pixel is blank in every scan, as corners of
# paper mostly are. `dump_svmlight_file` numbers pixels from 0. `load_svmlight_file` sees no pixel 0, and takes the
# numbers to begin with 1 (`zero_based == "auto"` in sklearn/datasets/_svmlight_format_io.py). Its documentation says
# that "auto" should always be safe. With `comment`, the file says that it counts from 0, and the reader passes over it.
# With `n_features`, the images have the right size. A classifier that reads 98% of the scans right reads 57% of them
# from the file, without a message. With one dot of ink in a first pixel, nothing moves. Write with `zero_based=False`,
# as LIBSVM's own files are, or read with `zero_based=True`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.datasets import dump_svmlight_file, load_digits, load_svmlight_file
from sklearn.neighbors import KNeighborsClassifier

print("scikit-learn", version("scikit-learn"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def there_and_back(scans, name, written=None, read=None):
    """Return the scans of a file, after they were written to it."""
    dump_svmlight_file(scans, digits[: len(scans)], name, **(written or {}))
    images, labels = load_svmlight_file(name, n_features=PIXELS, **(read or {}))
    expect("  the labels are right:", np.array_equal(labels, digits[: len(scans)]))
    return images.toarray()


scans, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(scans))
scans, digits = scans[order], digits[order]
PIXELS = scans.shape[1]
expect("the first pixel of all scans is blank:", not scans[:, 0].any())
expect("the documentation calls it safe:", "always be safe" in " ".join(load_svmlight_file.__doc__.split()))
back = there_and_back(scans, "scans.txt")
expect("each pixel is one place further left:", np.array_equal(back[:, :-1], scans[:, 1:]))
expect("without a number of pixels, an image has one less:", load_svmlight_file("scans.txt")[0].shape[1] == PIXELS - 1)
print("  the first scan, and how it comes back:")
for before, after in zip(scans[0].reshape(8, 8), back[0].reshape(8, 8), strict=True):
    print("  ", *("#" if level > 7 else "." for level in before), "  ", *("#" if level > 7 else "." for level in after))
half = len(scans) // 2
reader = KNeighborsClassifier().fit(scans[:half], digits[:half])
right = reader.score(scans[half:], digits[half:]), reader.score(back[half:], digits[half:])
print(f"  read right: {right[0]:.0%} of the scans, {right[1]:.0%} of those from the file")
expect("more than a third of the scans are lost:", right[0] > 0.95 and right[1] < 0.6)
again = there_and_back(scans, "comment.txt", {"comment": "digits"})
expect("the file says where it begins:", "# Column indices are zero-based\n" in Path("comment.txt").read_text())
expect("the pixels move all the same:", np.array_equal(again, back))
dotted = scans.copy()
dotted[7, 0] = 16
expect("with one dot in a first pixel, nothing moves:", np.array_equal(there_and_back(dotted, "dotted.txt"), dotted))
for options in ({"read": {"zero_based": True}}, {"written": {"zero_based": False}}):
    expect(f"with {options}, nothing moves:", np.array_equal(there_and_back(scans, "said.txt", **options), scans))
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
