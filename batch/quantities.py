"""Durations and tolerances, as they are written on the command line and in digitbox.toml."""

from __future__ import annotations

import re

import click

from batch.config import Tolerance

DAY_S, HOUR_S, MINUTE_S = 86400.0, 3600.0, 60.0
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def duration(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Seconds of `90`, `90s`, `45m`, `1h30m` or `2d`; for options.

    Raises:
        click.BadParameter: it is no duration, or none that goes by.
    """
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip().lower())
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0,) * 4
    total_s = days * DAY_S + hours * HOUR_S + minutes * MINUTE_S + seconds
    if not 0 < total_s < 1e9:
        raise click.BadParameter(f"{text!r} is no duration: give seconds, or such as 45m, 1h30m or 2d")
    return total_s


def tolerance(_context: click.Context, _option: click.Parameter, text: str) -> Tolerance:
    """How many may fail, of `10` or `2.5%`; for options.

    Raises:
        click.BadParameter: it is neither a number of scans nor a share of them.
    """
    if re.fullmatch(r"\d{1,12}", text):
        return Tolerance(int(text))
    if re.fullmatch(r"\d{1,3}(\.\d{1,9})?%", text) and float(text[:-1]) <= 100:
        return Tolerance(float(text[:-1]) / 100, is_fraction=True)
    raise click.BadParameter(f"{text!r} is neither a number of scans, as 10, nor a share of them, as 2.5%")


def spoken(seconds: float) -> str:
    """A time that went by, in its largest unit: `45 s`, `12 min`, `3 h`, `2 d`."""
    for unit, size_s in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
