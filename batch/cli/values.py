"""Parsers of option values: durations, moments, how many scans may fail, and how many digits one holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeVar

import click

from batch.clock import EXAMPLES, as_utc, is_duration, iso, parse_duration, utc_now
from batch.lengths import Lengths, parse_lengths
from batch.tolerance import Tolerance

_Value = TypeVar("_Value")


def parse_moment(text: str, now: datetime, *, day_ends: bool = False) -> datetime:
    """Read a moment: a day, a time of ISO 8601, or a duration before now.

    Args:
        text: A text such as `2026-11-01`, `2026-11-01T08:30Z` or `7d`; UTC if it names no zone.
        now: The moment from which durations count back, UTC.
        day_ends: Take the end of a day, not its beginning.

    Returns:
        The moment, UTC.

    Raises:
        ValueError: It is none of these.
    """
    text = text.strip()
    try:
        if is_duration(text):
            return now - parse_duration(text)
        moment = datetime.fromisoformat(text)
        if day_ends and _is_day(text):
            moment += min(timedelta(days=1), datetime.max - moment)
        return as_utc(moment)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is no time: give a day (2026-11-01), a time (2026-11-01T08:30) or a duration (7d, 12h)"
        ) from error


def _is_day(text: str) -> bool:
    """Return whether a text is a day of ISO 8601, without a time."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def duration(_context: click.Context, _option: click.Parameter, text: str | None) -> timedelta | None:
    """Read the duration of an option; click calls this.

    Raises:
        click.BadParameter: It is no duration.
    """
    return None if text is None else _understood(parse_duration, text)


def seconds(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Read the seconds of an option that is a duration; click calls this.

    Raises:
        click.BadParameter: It is no duration, or one of no length.
    """
    value = duration(context, option, text)
    if value is not None and not 0 < value.total_seconds() < 1e9:
        raise click.BadParameter(f"{text!r} is no duration that can pass: give one such as {EXAMPLES}")
    return None if value is None else value.total_seconds()


def tolerance(_context: click.Context, _option: click.Parameter, text: str) -> Tolerance:
    """Read how many scans may fail, such as `10` or `2.5%`; click calls this.

    Raises:
        click.BadParameter: It is neither a number of scans nor a share of them.
    """
    return _understood(Tolerance.parse, text)


def lengths(_context: click.Context, _option: click.Parameter, text: str) -> Lengths:
    """Read how many digits a scan holds, such as `5`, `2-6` or `any`; click calls this.

    Raises:
        click.BadParameter: It is none of these.
    """
    return _understood(parse_lengths, text)


def _since(context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    since = _moment(text, day_ends=False)
    _check_order(since, context.params.get("until"))
    return since


def _until(context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    until = _moment(text, day_ends=True)
    _check_order(context.params.get("since"), until)
    return until


def _moment(text: str | None, *, day_ends: bool) -> datetime | None:
    def parse(text: str) -> datetime:
        return parse_moment(text, utc_now(), day_ends=day_ends)

    return None if text is None else _understood(parse, text)


def _check_order(since: datetime | None, until: datetime | None) -> None:
    """Check that there is time between two limits; click has only one of them at its first call."""
    if since is not None and until is not None and since >= until:
        raise click.BadParameter(
            f"--since ({iso(since)}) is not before --until ({iso(until)}): give --since the earlier time"
        )


def _understood(parse: Callable[[str], _Value], text: str) -> _Value:
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


since_option = click.option(
    "--since",
    metavar="TIME",
    callback=_since,
    help="Take only what is from this time on. Give a day (2026-11-01), a time (2026-11-01T08:30), or a "
    "duration before now (7d, 12h). Times are UTC.",
)
until_option = click.option(
    "--until",
    metavar="TIME",
    callback=_until,
    help="Take only what is from before this time. A day counts in whole.",
)
