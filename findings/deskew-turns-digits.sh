#!/bin/sh
# The library deskew, made for pages of text, turns many upright digits by up to 45 degrees, and never says "no line".
#
# Seen with deskew 1.6.1 on the first 300 digits of scikit-learn's `load_digits`, 64x64 pixels on white paper. They stand
# upright, as people write. `determine_skew` gives an angle for each of them, of more than 15 degrees for over half, and of
# 45 for a third: it takes slanting strokes for lines of text. None comes only for blank paper. So scans of single digits
# that are straightened one by one are harder to read. Straighten a page before its fields are cut out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q deskew==1.6.1 scikit-image==0.26.0 numpy==2.4.6 scipy scikit-learn
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from deskew import determine_skew
from skimage.transform import resize
from sklearn.datasets import load_digits

print("deskew", version("deskew"), "scikit-image", version("scikit-image"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def scan(levels):
    """Return a digit of 8x8 levels, 0 to 16, as dark ink on white paper."""
    ink = np.clip(resize(levels / 16, (64, 64), order=3), 0, 1)
    return np.pad(1 - ink, 16, constant_values=1)


angles = [determine_skew(scan(levels)) for levels in load_digits().images[:300]]
expect("each digit has an angle:", None not in angles)
sizes = np.abs(np.array(angles, float))
print(f"  {np.mean(sizes > 15):.0%} of {len(sizes)} by more than 15 degrees, {np.mean(sizes > 44):.0%} by 45")
expect("more than half by more than 15 degrees:", np.mean(sizes > 15) > 0.5)
expect("a third by 45:", np.mean(sizes > 44) > 0.3)
expect("blank paper has none:", determine_skew(np.ones((96, 96))) is None)
page = np.ones((400, 600))
page[60:340:40, 50:550] = 0
expect("a page of straight lines has 0:", determine_skew(page) == 0)
PYTHON
