"""The time of one call of `digitbox.read` with one array, once the model is loaded.

python benchmarks/one_call.py [CALLS]

It prints a line for a digit of MNIST, and one for a sample scan with a shadow.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

import digitbox

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Measure and print."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with np.load(ROOT / "tests" / "data" / "mnist_test.npz", allow_pickle=False) as archive:
        digit = archive["x"][0]
    scan = cv2.imread(str(ROOT / "inbox" / "sample-04-shadow.jpg"), cv2.IMREAD_GRAYSCALE)
    for name, picture in (("digit", digit), ("scan", scan)):
        digitbox.read(picture)
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            digitbox.read(picture)
            times.append(time.perf_counter() - began)
        height, width = picture.shape
        median, slowest = (1000 * seconds for seconds in (statistics.median(times), max(times)))
        print(
            f"{name} of {width}x{height}: median {median:.2f} ms, slowest {slowest:.2f} ms of {calls} calls"
        )


if __name__ == "__main__":
    main()
