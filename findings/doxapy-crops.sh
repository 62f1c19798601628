#!/bin/sh
# DoxaPy, a library for the binarisation of handwriting, reads other pixels than those of the field that is cut out.
#
# Seen with doxapy 0.9.2 on a page of 200x300 levels in NumPy: a slice of it and its transpose are binarised as if their
# pixels lay one after the other in memory. The result has the right size, and shows parts of the page beside the slice,
# in a slant. Nothing is said. A copy (`np.ascontiguousarray`) is right. On even paper without ink, NIBLACK, WOLF and
# NICK make everything ink; SAUVOLA, ISAUVOLA, WAN, TRSINGH and OTSU make it paper.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q doxapy==0.9.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from doxapy import Binarization

print("doxapy", version("doxapy"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def is_ink(levels, algorithm="SAUVOLA"):
    """Return where an image has ink, as DoxaPy sees it."""
    binarization = Binarization(getattr(Binarization.Algorithms, algorithm))
    binarization.initialize(levels)
    binary = np.empty(levels.shape, np.uint8)
    binarization.to_binary(binary, {"window": 75, "k": 0.2})
    return binary == 0


page = np.random.default_rng(0).normal(230, 4, (200, 300)).clip(0, 255).astype(np.uint8)
page[40:160, 60:70] = 60  # a 7, mirrored
page[40:50, 60:150] = 60
is_drawn = page < 127
views = {
    "the page": (page, is_drawn),
    "a field": (page[20:180, 30:250], is_drawn[20:180, 30:250]),
    "the transpose": (page.T, is_drawn.T),
}
for name, (view, drawn) in views.items():
    found, copied = is_ink(view), is_ink(np.ascontiguousarray(view))
    print(f"  {name}: {np.mean(found[drawn]):.0%} of its ink are ink, of a copy {np.mean(copied[drawn]):.0%}")
    expect("the copy is right:", np.array_equal(copied, drawn))
    expect("so is the page:" if view is page else "the view is not:", np.array_equal(found, drawn) == (view is page))
    if view is not page:
        expect("most of the ink lies elsewhere:", np.mean(found[drawn]) < 0.5)
blank = np.full((100, 100), 230, np.uint8)
for share, algorithms in {1: "NIBLACK WOLF NICK", 0: "SAUVOLA ISAUVOLA WAN TRSINGH OTSU"}.items():
    for algorithm in algorithms.split():
        expect(f"{algorithm} finds {share:.0%} ink on blank paper:", np.mean(is_ink(blank, algorithm)) == share)
PYTHON
