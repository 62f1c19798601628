#!/bin/sh
# emlearn, which makes C code of scikit-learn's models, makes other trees of those that have learnt whole levels.
#
# Seen with emlearn 0.23.2 and scikit-learn 1.9.1 on `load_digits`. Its docs say that features of trees are floats by
# default (docs/tree_based_models.rst), but they are int16_t. Binarised pixels (0 and 1) fit these. A tree compares
# them with 0.5: emlearn cuts that down to 0, and asks `< 0` (`constant` in emlearn/cgen.py). So a forest that reads
# 93% right says 8 to all scans. With levels of 0 to 16, the share of a tree falls from 83% to 42%. With twice the
# levels, or `dtype="float"`, they are right. Naive Bayes falls from 83% to 31%, as pixels that a digit never has
# overflow its fixed point. With `var_smoothing=0.001` it is right. Nearest neighbours of binarised pixels fall from
# 94% to 88%: they compare the whole part of each distance (`eml_isqrt` in emlearn/eml_neighbors.h). Nothing is said.
# It needs a C compiler.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q emlearn==0.23.2 pybind11==3.1.0 numpy==2.4.6 scikit-learn==1.9.1 setuptools==65.5.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import emlearn
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

print("emlearn", version("emlearn"), "scikit-learn", version("scikit-learn"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


levels, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(levels))
levels, digits = levels[order], digits[order]  # levels of 0 to 16
binarised = (levels > 8).astype(float)


def before_and_after(name, model, scans, **options):
    """Return the share read right by a model and by its C code, and what that read."""
    model.fit(scans[:1000], digits[:1000])
    before = np.mean(model.predict(scans[1000:]) == digits[1000:])
    found = emlearn.convert(model, **options).predict(scans[1000:])
    after = np.mean(found == digits[1000:])
    print(f"  {name}: {before:.1%} right, as C code {after:.1%}")
    return before, after, found


tree, forest = DecisionTreeClassifier(random_state=0), RandomForestClassifier(20, random_state=0)
before, after, found = before_and_after("forest, binarised", forest, binarised)
expect("the forest has one digit for all scans:", before > 0.9 and set(found) == {8})
before, after, _ = before_and_after("tree, levels of 0 to 16", tree, levels)
expect("the tree is right half as often:", before > 0.8 and after < 0.5)
before, after, _ = before_and_after("forest, levels of 0 to 16", forest, levels)
expect("the forest loses some points:", 0.02 < before - after < 0.06)
halves = tree.tree_.threshold[tree.tree_.feature >= 0] % 1
expect("more than half of the thresholds are between two levels:", np.mean(halves == 0.5) > 0.5)
for name, model, scans, options in (
    ("forest, binarised, 0 and 2", forest, 2 * binarised, {}),
    ("tree, twice the levels", tree, 2 * levels, {}),
    ("forest, binarised, as floats", forest, binarised, {"dtype": "float"}),
    ("tree, levels of 0 to 16, as floats", tree, levels, {"dtype": "float"}),
):
    before, after, _ = before_and_after(name, model, scans, **options)
    expect("they are as right as before:", abs(before - after) < 0.01)
code = emlearn.convert(tree.fit(binarised[:1000], digits[:1000])).save(name="digit")
expect("the code asks whether 0 or 1 is less than 0:", "< 0)" in code and "< 1)" not in code)
before, after, _ = before_and_after("naive Bayes", GaussianNB(), levels)
expect("the naive Bayes is right less than half as often:", before > 0.8 and after < before / 2)
before, after, _ = before_and_after("naive Bayes, smoothed", GaussianNB(var_smoothing=0.001), levels)
expect("it is as right as before:", abs(before - after) < 0.01)
before, after, _ = before_and_after("nearest neighbours, binarised", KNeighborsClassifier(3), binarised)
expect("nearest neighbours lose some points:", 0.03 < before - after < 0.1)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
