#!/bin/sh
# Venn-ABERS makes the confidences of ten digits less right if the scans to calibrate with are few, or lack a digit.
#
# Seen with venn-abers 1.5.4 on `load_digits` and a logistic regression, which reads 96% right with a mean confidence of
# 86%. `VennAbersCalibrator().predict_proba(p_cal=..., y_cal=..., p_test=...)` gives 69% with 600 scans to calibrate
# with, and 48% with 200. It calibrates each pair of digits alone, with few scans, and adds up the doubt of the nine
# pairs of a digit (`predict_proba_prefitted_va` in venn_abers/venn_abers.py). If none of these scans is a 4, the result
# has nine columns. So column 4 is the digit 5, and 39% are right. Nothing is said. `va_type="one_vs_rest"` gives 88%
# with 600 scans, but nine columns, too. `CalibratedClassifierCV` of scikit-learn with `method="temperature"` gives 96%.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q venn-abers==1.5.4 scikit-learn==1.9.1 numpy==2.4.6 pandas==3.1.1
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from venn_abers import VennAbersCalibrator

print("venn-abers", version("venn-abers"), "scikit-learn", version("scikit-learn"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


scans, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(scans))
scans, digits = scans[order] / 16, digits[order]
model = LogisticRegression(max_iter=300).fit(scans[:600], digits[:600])
to_calibrate, labels = model.predict_proba(scans[600:1200]), digits[600:1200]
to_test, truth = model.predict_proba(scans[1200:]), digits[1200:]


def figures(name, probabilities):
    """Return the share of scans read right, and the mean confidence."""
    right, confidence = np.mean(probabilities.argmax(1) == truth), probabilities.max(1).mean()
    print(f"  {name}: {probabilities.shape[1]} columns, {right:.0%} right, mean confidence {confidence:.0%}")
    return right, confidence


def by_venn_abers(chosen, **options):
    return VennAbersCalibrator().predict_proba(
        p_cal=to_calibrate[chosen], y_cal=labels[chosen], p_test=to_test, **options
    )


right, confidence = figures("before", to_test)
doubt = right - confidence
expect("the confidences are some ten points too low:", 0.05 < doubt < 0.15)
for count, least in ((600, 0.2), (200, 0.4)):
    right, confidence = figures(f"Venn-ABERS with {count} scans", by_venn_abers(np.arange(count)))
    expect(f"they are more than {100 * least:.0f} points too low:", right - confidence > least > doubt)
right, confidence = figures("each digit against the rest", by_venn_abers(np.arange(600), va_type="one_vs_rest"))
expect("they are no further off than before:", abs(right - confidence) <= doubt)
expect("there are fours among the scans to test on:", 4 in truth)
for options in ({}, {"va_type": "one_vs_rest"}):
    nine = by_venn_abers(labels != 4, **options)
    right, _ = figures("without a 4 to calibrate with", nine)
    others = truth != 4
    named = np.delete(np.arange(10), 4)[nine.argmax(1)]
    expect("nine columns, and less than half is right:", nine.shape[1] == 9 and right < 0.5)
    expect("with the names of the nine, they are right:", np.mean(named[others] == truth[others]) > 0.9)
ten = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(scans[600:1200], labels)
right, confidence = figures("scikit-learn's temperature", ten.predict_proba(scans[1200:]))
expect("the confidences are right:", abs(right - confidence) < 0.02)
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
