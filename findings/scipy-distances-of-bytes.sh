#!/bin/sh
# SciPy's distance between two scans of bytes is wrong, where its table of distances (`cdist`) is right.
#
# Seen with SciPy 1.17.1 and scikit-learn 1.9.1 on `load_digits` with levels of 0 to 255 in uint8.
# `euclidean`, `cityblock`, `chebyshev` and `minkowski` (scipy/spatial/distance.py) subtract in the type of
# the array, where 10 - 200 is 66. So the distance from one scan to another is not that back. Of 200 scans,
# the nearest of 400 by `euclidean` has the right digit for 50%, and by `cdist` for 96%. Nothing is said.
# `sqeuclidean` is right, as it converts to floats. A KNeighborsClassifier of scikit-learn with
# `metric=euclidean`, the function, is as wrong; with the name it is right. `cosine` is wrong, too, and NumPy
# then warns of an overflow.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scipy==1.17.1 scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import warnings
from importlib.metadata import version

import numpy as np
from scipy.spatial import distance
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

print("SciPy", version("scipy"), "scikit-learn", version("scikit-learn"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def share_right(metric, known, scans):
    """Return the share of scans whose nearest known scan has the same digit."""
    nearest = [np.argmin([metric(scan, other) for other in known]) for scan in scans]
    return float(np.mean(digits[nearest] == truth))


scans, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(scans))[:600]
scans, digits = np.floor(scans[order] * 255 / 16).astype(np.uint8), digits[order]
known, scans = scans[:400], scans[400:]
digits, truth = digits[:400], digits[400:]
there, back = distance.euclidean(scans[0], scans[1]), distance.euclidean(scans[1], scans[0])
print(f"  between two scans: {there:.1f} and {back:.1f}")
expect("the way back has another length:", abs(there - back) > 1)
for name in ("euclidean", "cityblock", "chebyshev", "minkowski", "sqeuclidean"):
    metric = getattr(distance, name)
    of_bytes = share_right(metric, known, scans)
    of_floats = share_right(metric, known.astype(float), scans.astype(float))
    by_table = float(np.mean(digits[distance.cdist(scans, known, name).argmin(1)] == truth))
    print(f"  {name}: {of_bytes:.0%} right of bytes, {of_floats:.0%} of floats, {by_table:.0%} by cdist")
    expect("cdist is right:", by_table == of_floats > 0.9)
    if name == "sqeuclidean":
        expect("the function is right:", of_bytes == of_floats)
    else:
        expect("over 30% are lost:", of_bytes < of_floats - 0.3)
by_name, by_function = (
    KNeighborsClassifier(1, metric=metric).fit(known, digits).score(scans, truth)
    for metric in ("euclidean", distance.euclidean)
)
print(f"  KNeighborsClassifier: {by_name:.0%} with the name, {by_function:.0%} with the function")
expect("half is wrong with the function:", by_name > 0.9 and by_function < 0.6)
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    found = share_right(distance.cosine, known, scans)
print(f"  cosine: {found:.0%}, with the message: {heard[0].message}")
expect("cosine is a guess, and NumPy warns:", found < 0.2 and "overflow" in str(heard[0].message))
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
