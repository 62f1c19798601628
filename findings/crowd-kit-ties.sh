#!/bin/sh
# crowd-kit, which makes one label of those of several people, settles ties by the order of the table.
#
# Seen with crowd-kit 1.4.2 and pandas 3.1.1 on 400 scans that two people labelled. They disagree on 32 of
# them. `MajorityVote` gives each of these a digit all the same. With the rows in reverse order, it gives 23
# of them the other digit. Only `probas_` shows a tie, as two times 0.5. The columns of these probabilities
# are not sorted, here 8, 6, 5, 1 and so on (`unstack` in aggregation/classification/majority_vote.py). So
# NumPy's `argmax` of them is right for less than 1% of the scans. Those of `DawidSkene` are not sorted
# either. Nothing is said. With a table that is sorted by labels, or with pandas 2.3.3, the columns are
# sorted, and a tie goes to the smaller digit.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pandas==3.1.1 numpy==2.4.6 scikit-learn==1.9.1 attrs nltk tqdm
# Without the large packages that only its parts for texts and training need.
"$folder/venv/bin/pip" install -q --no-deps crowd-kit==1.4.2
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene, MajorityVote

print("crowd-kit", version("crowd-kit"), "pandas", version("pandas"))
COUNT = 400


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def read_by_a_person():
    """Return the digits of all scans with one of twenty or so read as another digit."""
    digits, is_wrong = truth.copy(), random.random(COUNT) < 0.05
    digits[is_wrong] = (digits[is_wrong] + random.integers(1, 10, is_wrong.sum())) % 10
    return digits


def labels_and_columns(vote, table):
    """Return the digit of each scan, and the probabilities of the digits in the columns that there are."""
    vote.fit(table)
    return vote.labels_.sort_index().to_numpy(), vote.probas_.sort_index()


random = np.random.default_rng(0)
truth = random.integers(0, 10, COUNT)
ann, bob = read_by_a_person(), read_by_a_person()
rows = [(scan, who, digits[scan]) for scan in range(COUNT) for who, digits in (("ann", ann), ("bob", bob))]
table = pd.DataFrame(rows, columns=["task", "worker", "label"])
is_tie = ann != bob
labels, columns = labels_and_columns(MajorityVote(), table)
print(f"  {is_tie.sum()} ties; the columns are {list(columns.columns)}")
expect("all scans have one of the two digits:", np.all((labels == ann) | (labels == bob)))
expect("the probabilities of a tie are 0.5:", np.all(columns[is_tie].max(axis=1) == 0.5))
expect("the columns are not sorted:", list(columns.columns) != list(range(10)))
by_argmax = np.mean(columns.to_numpy().argmax(axis=1) == truth)
print(f"  right: {np.mean(labels == truth):.1%} of the labels, {by_argmax:.1%} by argmax")
expect("nearly none is right by argmax:", by_argmax < 0.02)
expect("with the names of the columns, they are right:", np.array_equal(columns.idxmax(axis=1), labels))
reverse, _ = labels_and_columns(MajorityVote(), table.iloc[::-1])
is_changed = reverse != labels
print(f"  in reverse order, {is_changed.sum()} scans have the other digit")
expect("over half of the ties have the other digit:", is_changed.sum() > is_tie.sum() / 2)
expect("the others have the same:", not np.any(is_changed & ~is_tie))
by_label = table.sort_values("label", kind="stable")
ordered, columns = labels_and_columns(MajorityVote(), by_label)
expect("sorted by labels, the columns are sorted:", list(columns.columns) == list(range(10)))
expect("and ties go to the smaller digit:", np.array_equal(ordered[is_tie], np.minimum(ann, bob)[is_tie]))
labels, columns = labels_and_columns(DawidSkene(n_iter=100), table)
by_argmax = np.mean(columns.to_numpy().argmax(axis=1) == truth)
print(f"  DawidSkene: {np.mean(labels == truth):.1%} of the labels right, {by_argmax:.1%} by argmax")
expect("its columns are not sorted either:", by_argmax < 0.02 and list(columns.columns) != list(range(10)))
PYTHON
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
