"""The time of day, and the two ways in which digitbox writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time of day, UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Return a time of day as the results, the ledger and the log have it: `2026-01-31T08:30:00Z`."""
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%SZ}"


def compact(moment: datetime) -> str:
    """Return a time of day as the names of files have it: `20260131T083000Z`; such texts sort by time."""
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"


def seconds_of(text: str) -> float:
    """Return the seconds since 1970 of a time that `iso` wrote."""
    return datetime.fromisoformat(text).timestamp()


def stamp() -> str:
    """Return the time of day as `iso` writes it."""
    return iso(utc_now())
