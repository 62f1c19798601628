"""The interval of a proportion."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054  # the quantile of the normal distribution for a 95 % interval


def wilson_interval(successes: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the interval of a proportion (Wilson 1927).

    Args:
        successes: Number of successes, 0 to n.
        n: Number of trials.
        z: Quantile of the normal distribution; the default is for 95 %.

    Returns:
        Lower and upper end, 0 to 1; (0, 1) for n = 0.
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
