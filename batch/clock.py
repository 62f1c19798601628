"""Times and durations, and the forms in which digitbox writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EXAMPLES = "45s, 90m, 1h30m, 2d, 2w or 1y"
_GRAMMAR = re.compile(
    r"(?:(?P<years>\d+)y)?(?:(?P<weeks>\d+)w)?(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)s)?",
    re.ASCII,
)
_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))


def utc_now() -> datetime:
    """Return the present time, UTC."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """Return a time in UTC; one without a zone is in UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Return a time in the form of the results, the ledger and the log: `2026-01-31T08:30:00Z`."""
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%SZ}"


def compact(moment: datetime) -> str:
    """Return a time in the form of file names, `20260131T083000Z`. These texts sort by time."""
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"


def start_of_day(moment: datetime) -> datetime:
    """Return the beginning of the day of a time, in its zone."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def seconds_of(text: str) -> float:
    """Return a time that `iso` wrote, in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `45s`, `90m`, `1h30m`, `2d`, `2w` or `1y`, which is 365 days.

    It refuses a number without a unit, because seconds for one person are days for another.

    Raises:
        ValueError: The text is no duration, or the duration is too long for a calendar.
    """
    match = _GRAMMAR.fullmatch(text.strip().lower())
    parts = {unit: float(value) for unit, value in match.groupdict().items() if value} if match else {}
    if not parts:
        raise ValueError(f"{text!r} is no duration: give one such as {EXAMPLES}")
    years = parts.pop("years", 0.0)
    try:
        return timedelta(**parts) + timedelta(days=365 * years)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long a duration") from error


def is_duration(text: str) -> bool:
    """Return whether a text has the form of a duration."""
    text = text.strip().lower()
    return bool(text and _GRAMMAR.fullmatch(text))


def spoken(seconds: float) -> str:
    """Return a duration in its largest unit: `45 s`, `12 min`, `3 h`, `2 d`."""
    for unit, size_s in _UNITS:
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
