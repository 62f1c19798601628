#!/bin/sh
# difPy, which searches folders for images that are there twice, takes scans of other digits for the same.
#
# Seen with difPy 4.2.1 on digits of `load_digits`. It compares two scans by the mean of the squares of their
# differences. `_compute_mse` in difPy/dif.py computes these in uint8, so only the rest of a division by 256 is left.
# Black less white is 1 or 255, and the square of both is 1. So all binarised scans are alike with
# `similarity="similar"`, which is a mean of at most 50: theirs is less than 1. The square of 16 is 0. So if levels of
# 4 bits are multiplied by 16, all scans are duplicates by default. The scans have `px_size` (50 by default) pixels on
# a side, as resampling makes other levels. Of more than 5,000 files, `_find_matches_batch` compares only the sums of
# the pixels, and many scans have the same; resampled, they are fewer. Its issue 126 tells of wrong duplicates, too.
# Nothing is said, and `delete` deletes all of `lower_quality`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q difPy==4.2.1 numpy==2.4.6 pillow==13.0.0 scikit-learn==1.9.1
cat >"$folder/search.py" <<'PYTHON'
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import difPy
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

DIGITS = load_digits()


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def search(scans, names, side, **options):
    """Return the pairs that difPy finds in a folder of scans, each with its distance, and the files to delete."""
    inbox = Path(sys.argv[1]) / "scans"
    inbox.mkdir()
    for number, (scan, name) in enumerate(zip(scans, names, strict=True)):
        Image.fromarray(scan).save(inbox / f"{name}_{number}.png")
    found = difPy.search(difPy.build(str(inbox), px_size=side, show_progress=False), show_progress=False, **options)
    groups = found.result.items()
    pairs = [(Path(first).name, Path(other).name, mean) for first, group in groups for other, mean in group]
    shutil.rmtree(inbox)
    return pairs, found.lower_quality


def alike(scans, limit):
    """Return how many scans are alike an earlier one, upright or turned, by the same mean in floats."""
    count = 0
    for number in range(1, len(scans)):
        turned = np.array([np.rot90(scans[number], turn) for turn in range(4)], float)
        means = ((turned[:, None] - scans[None, :number]) ** 2).mean(axis=(2, 3))
        count += bool((means <= limit).any())
    return count


def others(pairs):
    return sum(first.split("_")[0] != other.split("_")[0] for first, other, _ in pairs)


def main():
    print("difPy", version("difPy"))
    # Each pixel is 6 by 6, and the paper one wider on all sides: this is the size in which difPy compares.
    levels = np.pad(np.kron(DIGITS.images[:100], np.ones((1, 6, 6))), ((0, 0), (1, 1), (1, 1)))
    kinds = (
        ("binarised", np.where(levels > 8, 0, 255).astype(np.uint8), "similar", 50),
        ("levels of 4 bits", (240 - 16 * np.minimum(levels, 15)).astype(np.uint8), "duplicates", 0),
    )
    for name, scans, similarity, limit in kinds:
        pairs, files = search(scans, DIGITS.target[:100], 50, similarity=similarity)
        real = alike(scans, limit)
        print(f"  {name}, {similarity}: {len(files)} of 100 to delete, {others(pairs)} of them beside another digit")
        print(f"    largest mean {max(mean for *_, mean in pairs):.2f}; in floats, {real} are alike an earlier scan")
        expect("all scans but one are to be deleted:", len(files) == 99 and others(pairs) > 80 and real < 5)
    chosen = np.random.default_rng(0).choice(1797 * 1797, 5001, replace=False)
    first, second = np.divmod(chosen, 1797)
    numbers = np.pad(np.concatenate([DIGITS.images[first], DIGITS.images[second]], axis=2), ((0, 0), (4, 4), (0, 0)))
    numbers = (255 - np.round(numbers * 255 / 16)).astype(np.uint8)
    names = [f"{DIGITS.target[left]}{DIGITS.target[right]}" for left, right in zip(first, second, strict=True)]
    expect("no two of 5,001 numbers have the same pixels:", len(np.unique(numbers, axis=0)) == 5001)
    pairs, files = search(numbers[:500], names[:500], 16)
    expect("of 500 of them, none is a duplicate:", not pairs and not files)
    pairs, files = search(numbers, names, 16)
    print(f"  of 5,001, {len(files)} are to delete, {others(pairs)} of them beside another number")
    expect("more than half are duplicates:", len(files) > 2500 and others(pairs) > 2500)


if __name__ == "__main__":
    main()
PYTHON
"$folder/venv/bin/python" "$folder/search.py" "$folder" 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
if [ -s "$folder/messages" ]; then cat "$folder/messages"; echo "CHANGED: it says something"; exit 1; fi
