"""The interval of a proportion."""

from __future__ import annotations

import math

Z = 1.959963984540054  # the quantile of the normal distribution for a 95 % interval


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927).

    Args:
        successes: Number of successes, 0 to n.
        n: Number of trials.

    Returns:
        Lower and upper end, 0 to 1; (0, 1) for n = 0.
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
