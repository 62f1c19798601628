"""The test for drift, a share of scans that has jumped up: pure arithmetic on counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

Counts = tuple[int, int]
"""Two counts of a run: the scans of one status, and all scans."""

MIN_SCANS = 50  # of a run; the share of fewer says little, so digitbox neither judges nor uses such a run
MIN_RUNS = 5  # earlier runs; fewer do not show how much runs usually differ
MAX_RUNS = 30  # earlier runs that count, about a month of nights
MIN_Z = 4.0  # standard deviations; in a thousand simulated nights there are at most two false alarms
MIN_DIFFERENCE = 0.02  # of the share; less is of no interest, however certain
MIN_RATIO = 1.5  # of the share to the earlier one; likewise


def find_jump(now: Counts, before: Sequence[Counts]) -> dict[str, float] | None:
    """Check whether the share of one status has jumped up.

    A two-sample z test compares the share with that of all scans of the earlier runs. Papers and writers
    change, so runs differ by more than chance. Where the earlier runs do, their spread divides z, as in the
    p' chart (Laney, "Improved control charts for attributes", 2002).

    The share must also be larger by `MIN_DIFFERENCE` and by `MIN_RATIO`. With many scans even a tiny
    difference is certain.

    Args:
        now: Counts of the run.
        before: Counts of the earlier runs, the newest first.

    Returns:
        `share` (0 to 1), `before` (the share of the earlier runs) and `z`; None if there is no jump, or if
        there are too few scans or runs.
    """
    before = [counts for counts in before if counts[1] >= MIN_SCANS][:MAX_RUNS]
    hits, scans = now
    if scans < MIN_SCANS or len(before) < MIN_RUNS:
        return None
    hits_before, scans_before = sum(k for k, _ in before), sum(n for _, n in before)
    pooled = hits_before / scans_before
    # Laplace's rule keeps the estimate off 0 and 1, where the deviation would be 0.
    smoothed = (hits_before + 1) / (scans_before + 2)
    deviation = math.sqrt(smoothed * (1 - smoothed))
    spread = math.sqrt(
        sum(((k / n - pooled) * math.sqrt(n) / deviation) ** 2 for k, n in before) / (len(before) - 1)
    )
    share = hits / scans
    z = (share - pooled) / (deviation * math.sqrt(1 / scans + 1 / scans_before)) / max(1.0, spread)
    if z < MIN_Z or share < max(pooled + MIN_DIFFERENCE, pooled * MIN_RATIO):
        return None
    return {"share": round(share, 6), "before": round(pooled, 6), "z": round(z, 2)}
