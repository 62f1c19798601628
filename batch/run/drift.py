"""Whether a run is unlike those before it: pure arithmetic on counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

Counts = tuple[int, int]
"""Of a run: how many of its scans are of a kind, and how many there are."""

MIN_SCANS = 50  # of a run, to be judged or to be compared with
MIN_RUNS = 5
MAX_RUNS = 30  # to compare with
MIN_Z = 4.0  # standard deviations
MIN_DIFFERENCE = 0.02
MIN_RATIO = 1.5


def find_jump(now: Counts, before: Sequence[Counts]) -> dict[str, float] | None:
    """Says whether the share of a kind of scans has jumped up.

    The share is compared with that of all scans of the runs before, by a two-sample z. Nights differ by more
    than chance, since papers and writers do; so z is divided by how far the runs before are spread about
    their own mean, where that is more than chance would have it (Laney's p' chart). Besides, the share must
    be larger by two points and by half: with many scans a difference can be certain and of no interest.

    Args:
        now: counts of the run.
        before: those of the runs before it.

    Returns:
        `share`, `before` (that of the runs before), and `z`; None when all is as ever, or there is too
        little to tell.
    """
    before = [counts for counts in before if counts[1] >= MIN_SCANS][:MAX_RUNS]
    hits, scans = now
    if scans < MIN_SCANS or len(before) < MIN_RUNS:
        return None
    of_kind, total = sum(count for count, _ in before), sum(count for _, count in before)
    pooled = of_kind / total
    likely = (of_kind + 1) / (total + 2)  # never 0 or 1, which would leave nothing to chance
    deviation = math.sqrt(likely * (1 - likely))
    spread = math.sqrt(
        sum(((k / n - pooled) * math.sqrt(n) / deviation) ** 2 for k, n in before) / (len(before) - 1)
    )
    share = hits / scans
    z = (share - pooled) / (deviation * math.sqrt(1 / scans + 1 / total)) / max(1.0, spread)
    if z < MIN_Z or share < max(pooled + MIN_DIFFERENCE, pooled * MIN_RATIO):
        return None
    return {"share": round(share, 6), "before": round(pooled, 6), "z": round(z, 2)}
