"""What the preprocessing makes of fixed scans, bound to its version in `SPECS` by a stored file.

A model has learnt from the output of one version of the preprocessing. So a change of that output needs a new
version and new models. Write the file of the new version with

    python tests/golden.py
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import golden_scans
from batch.preprocessing.ink import find_ink
from batch.preprocessing.normalise import DIGIT_PX, normalise
from batch.preprocessing.polarity import polarity_vote
from batch.preprocessing.quality import check_single_digit
from batch.records import SPECS, Grey, Input

DATA = Path(__file__).parent / "data"
FILE = DATA / f"preprocessing-v{SPECS[Input.DIGIT].version}.npz"

# Another processor or build of OpenCV may round a last bit otherwise, and an edge may move by a pixel.
MAX_DIFFERENCE = 0.5  # mean over the pixels of the digit, in grey levels
TOLERANCES = {
    "vote": 0.01,
    "height": 0.0,
    "width": 0.0,
    "top": 1.0,
    "left": 1.0,
    "bottom": 1.0,
    "right": 1.0,
    "contrast": 0.3,
    "noise": 0.03,
    "parts": 0.0,
    "ink": 0.002,
    "filled": 0.002,
}
"""Numbers that are compared, in the order of `Measures`, and by how much each may differ."""
MAX_VOTE = 9.0  # in place of infinity

Measures = dict[str, npt.NDArray[np.generic]]
"""Results for a scan: `scan` (a checksum of its bytes), `numbers`, `words` and `digit`."""


def scans() -> list[Grey]:
    """Return the fixed scans, in the order of `golden_scans.SCANS`."""
    with np.load(DATA / "mnist_test.npz", allow_pickle=False) as archive:
        digits = archive["x"][:100]
    return [golden_scans.make(kind, seed, digits) for kind, seed in golden_scans.SCANS]


def measure(grey: Grey) -> Measures:
    """Return what the preprocessing makes of a scan."""
    ink = find_ink(grey)
    refusal = check_single_digit(ink)
    numbers = (
        min(max(polarity_vote(grey), -MAX_VOTE), MAX_VOTE),
        *ink.mask.shape,
        *ink.box,
        ink.contrast,
        ink.noise,
        len(ink.parts),
        np.count_nonzero(ink.mask) / ink.mask.size,
        ink.filled_fraction,
    )
    measures: Measures = {
        "scan": np.array(zlib.crc32(grey.tobytes())),
        "numbers": np.array(numbers, np.float32),
        "words": np.array([ink.polarity.value, refusal.value if refusal else "passes"], "U16"),
    }
    if ink.is_blank:
        return measures | {"digit": np.zeros((DIGIT_PX, DIGIT_PX), np.uint8)}
    return measures | {"digit": normalise(ink)[..., 0]}


def differences(stored: Measures, fresh: Measures) -> Iterator[str]:
    """Yield in words what differs by more than its tolerance."""
    if stored["scan"] != fresh["scan"]:
        yield "the scan itself has other bytes"
    for name, old, new in zip(TOLERANCES, stored["numbers"], fresh["numbers"], strict=True):
        if abs(float(new) - float(old)) > TOLERANCES[name]:
            yield f"{name} {new:.4g}, was {old:.4g}"
    for old, new in zip(stored["words"], fresh["words"], strict=True):
        if old != new:
            yield f"{new}, was {old}"
    apart = np.abs(stored["digit"].astype(np.float64) - fresh["digit"].astype(np.float64)).mean()
    if apart > MAX_DIFFERENCE:
        yield f"the digit by {apart:.2f} levels"


def load() -> list[Measures]:
    """Return what is stored, a record for each scan."""
    with np.load(FILE, allow_pickle=False) as archive:
        columns = {name: archive[name] for name in archive.files}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def main() -> None:
    """Write the file of this version of the preprocessing, and remove those of others."""
    if FILE.exists():
        raise SystemExit(
            f"{FILE} exists: raise the version in batch.records.SPECS first, or delete the file to add scans"
        )
    records = [measure(scan) for scan in scans()]
    arrays: dict[str, Any] = {name: np.stack([record[name] for record in records]) for name in records[0]}
    np.savez_compressed(FILE, **arrays)
    for path in DATA.glob("preprocessing-v*.npz"):
        if path != FILE:
            path.unlink()
    sys.stdout.write(f"{FILE}: {len(records)} scans\n")


if __name__ == "__main__":
    main()
