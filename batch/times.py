"""Times as options: `2026-11-01`, `2026-11-01T08:30+01:00`, `7d`; UTC unless they say otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click

_T = TypeVar("_T")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d+)\s*([mhdw])", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_age(text: str) -> timedelta:
    """Reads a length of time such as `30d`, `12h` or `2w`.

    Raises:
        ValueError: it is none, or longer than time can be told.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no length of time: give one such as 30d, 12h or 2w")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error


def parse_moment(text: str, now: datetime, *, day_ends: bool = False) -> datetime:
    """Reads a moment: a day, a time of ISO 8601, or an age before now.

    Args:
        text: such as `2026-11-01`, `2026-11-01T08:30Z` or `7d`.
        now: what ages count back from, UTC.
        day_ends: whether a day stands for the moment when it is over, not for the one when it begins.

    Returns:
        The moment, UTC.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    try:
        if _AGE.fullmatch(text.lower()):
            return now - parse_age(text)
        moment = datetime.fromisoformat(text)
        if _DAY.fullmatch(text) and day_ends:
            moment += timedelta(days=1)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is no time: give a day (2026-11-01), a time (2026-11-01T08:30) or an age (7d, 12h)"
        ) from error


def age(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    """Makes what was given as an option a length of time; the `callback` of click."""
    return None if text is None else _understood(parse_age, text)


def _moment(text: str | None, *, day_ends: bool) -> datetime | None:
    def parse(text: str) -> datetime:
        return parse_moment(text, datetime.now(UTC), day_ends=day_ends)

    return None if text is None else _understood(parse, text)


def _understood(parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


since_option = click.option(
    "--since",
    metavar="TIME",
    callback=lambda _, __, text: _moment(text, day_ends=False),
    help="From then on: a day (2026-11-01), a time (2026-11-01T08:30), UTC, or an age (7d, 12h).",
)
until_option = click.option(
    "--until",
    metavar="TIME",
    callback=lambda _, __, text: _moment(text, day_ends=True),
    help="Before that; a day is taken in whole.",
)
