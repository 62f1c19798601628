"""The time of day, and how digitbox writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time of day, UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Return a time of day as the results, the ledger and the log have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def stamp() -> str:
    """Return the time of day as `iso` writes it."""
    return iso(utc_now())
