#!/bin/sh
# SMOTE of imbalanced-learn, which adds scans of a rare digit, gives them wrong levels if the scans are bytes.
#
# Seen with imbalanced-learn 0.14.2 and scikit-learn 1.9.1 on `load_digits` with levels of 0 to 255, and ten
# scans each of five digits. SMOTE adds scans that lie between two scans of a digit. It subtracts one from the
# other in the type of the array (`_generate_samples` in imblearn/over_sampling/_smote/base.py). In uint8,
# 10 - 200 is 66. So a quarter of the added levels are off by more than 10. Type, size and mean are as they
# should be, and nothing is said. With floats, nearest neighbours read 91% of the rare digits right, and with
# bytes 79%. An SVM takes no harm from it. BorderlineSMOTE and SVMSMOTE do the same, and uint16 is like uint8.
# Convert scans to floats before.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q imbalanced-learn==0.14.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import numpy as np
from imblearn.over_sampling import SMOTE, SVMSMOTE, BorderlineSMOTE
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

print("imbalanced-learn", version("imbalanced-learn"), "scikit-learn", version("scikit-learn"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def added(by, kind, scale=1):
    """Return the scans that are added if the levels have this type, as levels of 0 to 255, and all labels."""
    images, labels = by(random_state=0).fit_resample((scans * scale).astype(kind), digits)
    expect(f"{by.__name__} keeps {np.dtype(kind)}:", images.dtype == kind)
    expect("  and the scans that were there:", np.array_equal(images[: len(scans)], scans * scale))
    return images[len(scans) :] / scale, labels


def share_right(images, labels, reader):
    """Return the share of the rare digits that are read right after a training with added scans, too."""
    reader.fit(np.concatenate([scans, images]), labels)
    return reader.score(to_read[is_rare], truth[is_rare])


RARE, EACH = [1, 4, 7, 8, 9], 10
scans, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(scans))
scans, digits = np.floor(scans[order] * 255 / 16), digits[order]
half = len(scans) // 2
to_read, truth = scans[half:], digits[half:]
is_rare = np.isin(truth, RARE)
scans, digits = scans[:half], digits[:half]
places = np.arange(half)
left_out = np.concatenate([places[digits == digit][EACH:] for digit in RARE])
scans, digits = np.delete(scans, left_out, axis=0), np.delete(digits, left_out)

floats, labels = added(SMOTE, np.float64)
of_bytes, same_labels = added(SMOTE, np.uint8)
expect("the labels are the same:", np.array_equal(labels, same_labels))
is_off = np.abs(of_bytes - floats) > 10
print(f"  {len(floats)} scans added, {np.mean(is_off):.0%} of their levels are off by more than 10")
expect("a quarter of the levels:", 0.2 < np.mean(is_off) < 0.3)
print(f"  mean levels: {floats.mean():.1f} of floats, {of_bytes.mean():.1f} of bytes")
expect("the mean does not show it:", abs(floats.mean() - of_bytes.mean()) < 1)
found, shown = labels[len(scans)], of_bytes[0]
of_digit = scans[digits == found]
low, high = of_digit.min(axis=0), of_digit.max(axis=0)
expect("each level of floats is one that this digit has:", np.all((low <= floats[0]) & (floats[0] <= high)))
print(f"  an added {found}, from floats and from bytes:")
for before, after in zip(floats[0].reshape(8, 8), shown.reshape(8, 8), strict=True):
    print(*("  " + "".join(".#"[int(level > 127)] for level in row) for row in (before, after)))
trainings = (scans[:0], digits), (floats, labels), (of_bytes, labels)
for reader in (KNeighborsClassifier(3), SVC()):
    right = [share_right(images, labels, reader) for images, labels in trainings]
    print(f"  {reader} reads of the rare digits: {right[0]:.0%} without SMOTE, ", end="")
    print(f"{right[1]:.0%} with floats, {right[2]:.0%} with bytes")
    if isinstance(reader, SVC):
        expect("an SVM takes no harm:", right[2] >= right[1])
    else:
        expect("most of the gain is lost:", right[1] - right[0] > 0.15 and right[1] - right[2] > 0.1)
words, _ = added(SMOTE, np.uint16, 257)
expect("uint16 is like uint8:", np.mean(np.abs(words - floats) > 10) > 0.15)
signed, _ = added(SMOTE, np.int16)
expect("int16 is right:", np.abs(signed - floats).max() <= 1)
for by in (BorderlineSMOTE, SVMSMOTE):
    floats, of_bytes = added(by, np.float64)[0], added(by, np.uint8)[0]
    expect(f"{by.__name__} is like SMOTE:", np.mean(np.abs(of_bytes - floats) > 10) > 0.15)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
