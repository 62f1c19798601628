from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.cli.values import duration
from batch.cli.values import seconds as seconds_of
from batch.clock import parse_duration, spoken

NOWHERE: Any = None  # context and option, of no matter


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("0.5s", 0.5),
        ("45m", 2700),
        ("1h30m", 5400),
        (" 2D ", 172800),
        ("2w", 1209600),
        ("1y", 31536000),
        ("1y1d", 31622400),
        ("1d2h3m4s", 93784),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(NOWHERE, NOWHERE, text) == seconds
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "0",
        "0h",
        "-1",
        "-1h",
        "h",
        "1 h",
        "30m1h",
        "1.5h",
        "nan",
        "inf",
        "1e3s",
        "9" * 40 + "d",
        "\u0667d",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"1h30m|too long"):
        seconds_of(NOWHERE, NOWHERE, text)


def test_no_duration_is_none() -> None:
    assert duration(NOWHERE, NOWHERE, None) is None
    assert seconds_of(NOWHERE, NOWHERE, None) is None


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert seconds_of(NOWHERE, NOWHERE, f"{days}d{hours}h{minutes}m{seconds}s") == total


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (12.4, "12 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
