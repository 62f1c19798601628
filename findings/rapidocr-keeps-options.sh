#!/bin/sh
# RapidOCR keeps the options of one call for all later ones, and turns upright numbers upside down before it reads them.
#
# Seen with rapidocr 3.10.0, whose package has its models, on handwriting of scikit-learn's `load_digits`. The
# options of a call look like those of this call: `engine(field, use_det=False)` reads a field that is cut out. But
# `update_params` in rapidocr/main.py sets them in the engine. So `engine(page)` afterwards takes the page for one
# line as well: of three numbers of five digits, it gives a text of two digits or so, with a score, and says nothing.
# `text_score` stays, too: after a call with 0.99, numbers are left out of a page. It helps to name all options in
# each call.
# By itself, RapidOCR also asks a model whether a line is upside down. Of upright numbers of three digits, this turns
# one of ten or so. Their digits come in reverse order, with 6 for 9, or are letters. The result does not say it:
# only a call with `use_rec=False` does. With `use_cls=False`, they are read as they are.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q rapidocr==3.10.0 onnxruntime==1.32.0 numpy==2.4.6 opencv-python-headless==5.0.0.93 \
    pillow==13.0.0 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import logging
from importlib.metadata import version

import numpy as np
from PIL import Image
from rapidocr import RapidOCR
from sklearn.datasets import load_digits

print("rapidocr", version("rapidocr"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


scans, digits = load_digits(return_X_y=True)
random = np.random.default_rng(0)


def number(count, margin):
    """Return an image of upright digits side by side, dark on white, and their text."""
    chosen = random.integers(0, len(scans), count)
    ink = np.hstack([np.pad(scans[index].reshape(8, 8) * 15, ((0, 0), (1, 1))) for index in chosen])
    paper = Image.fromarray((255 - np.pad(ink, margin)).astype(np.uint8))
    large = paper.resize((paper.width * 5, paper.height * 5), Image.BICUBIC)
    return np.asarray(large.convert("RGB")), "".join(map(str, digits[chosen]))


def new_engine():
    engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": 1})
    logging.getLogger("RapidOCR").setLevel(logging.WARNING)
    return engine


engine = new_engine()
numbers = [number(5, 6) for _ in range(3)]
page = np.vstack([image for image, _ in numbers])
field, text = number(5, 2)
first = engine(page).txts
print(f"  the page: {[text for _, text in numbers]}; a new engine reads {first}")
expect("a new engine finds three numbers:", len(first) == 3 and all(len(found) == 5 for found in first))
expect("a field is read without looking for numbers:", len(engine(field, use_det=False).txts) == 1)
later = engine(page).txts or ()
print(f"  then the page: {later}")
expect("then the same call finds nearly nothing of the page:", len(later) < 2 and len("".join(later)) < 8)
expect("with all options named, it is as at first:", engine(page, use_det=True, use_cls=True).txts == first)
engine(page, text_score=0.99)
least = engine(page).txts or ()
print(f"  after a call with text_score=0.99: {least}")
expect("the score of one call leaves numbers out of the next:", len(least) < 3)

engine = new_engine()
is_turned, right, right_as_they_are, changed = [], 0, 0, []
for _ in range(100):
    image, text = number(3, 2)
    ((label, score),) = engine(image, use_det=False, use_cls=True, use_rec=False).cls_res
    is_turned.append(label == "180" and score > 0.9)
    found = engine(image, use_det=False, use_cls=True, use_rec=True)
    as_it_is = engine(image, use_det=False, use_cls=False, use_rec=True)
    right += "".join(found.txts or ()) == text
    right_as_they_are += "".join(as_it_is.txts or ()) == text
    if (found.txts or ()) != (as_it_is.txts or ()):
        changed.append((text, "".join(found.txts or ()), is_turned[-1], found.scores))
print(f"  of 100 upright numbers, {sum(is_turned)} are turned; {right} are right, as they are {right_as_they_are}")
print("  such as", *(f"{text} as {found}" for text, found, _, _ in changed[:8]))
expect("several are turned:", 3 <= sum(is_turned) <= 40)
expect("as they are, more are right:", right_as_they_are >= right + 3)
expect("nothing else changes what is read:", all(turned for _, _, turned, _ in changed))
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
