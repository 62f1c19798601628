from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.cli.values import parse_moment, tolerance
from batch.clock import parse_duration
from batch.tolerance import Tolerance
from command import Digitbox

NOWHERE: Any = None  # context and option, of no matter
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01 08:30:15Z", datetime(2026, 11, 1, 8, 30, 15, tzinfo=UTC)),
        ("2026-11-01T00:30+02:00", datetime(2026, 10, 31, 22, 30, tzinfo=UTC)),
        ("20261101", datetime(2026, 11, 1, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        (" 90M ", NOW - timedelta(minutes=90)),
        ("0d", NOW),
    ],
)
def test_a_moment_is_a_day_a_time_or_an_age(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("day", ["2026-11-30", "20261130", "2026-W49-1", "2026W491"])
def test_the_day_of_an_end_is_taken_in_whole(day: str) -> None:
    assert parse_moment(day, NOW, day_ends=True) == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "time", ["2026-11-30T10:00", "2026-11-30 10", "2026-11-30t10", "20261130T10", "2026-11-30_10"]
)
def test_the_time_of_an_end_is_taken_as_it_is(time: str) -> None:
    assert parse_moment(time, NOW, day_ends=True) == datetime(2026, 11, 30, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2026-13-01", "7", "d", "-7d", "1.5d", "99999999d", "\u0667d", "7d\n8d"],
)
def test_what_is_no_moment_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: give a day"):
        parse_moment(text, NOW, day_ends=True)


def test_the_last_day_of_all_has_an_end() -> None:
    assert parse_moment("9999-12-31", NOW, day_ends=True) == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("command", ["export", "retry"])
@pytest.mark.parametrize(("since", "until"), [("2026-11-02", "2026-11-01"), ("1d", "7d")])
def test_a_time_that_ends_before_it_begins_is_refused(
    digitbox: Digitbox, tmp_path: Path, command: str, since: str, until: str
) -> None:
    (tmp_path / "outbox").mkdir()
    limits = ["--since", since, "--until", until]
    for arguments in (limits, limits[2:] + limits[:2]):
        result = digitbox(command, *arguments)
        assert (result.code, result.out) == (2, "")
        assert "give --since the earlier time" in result.err
    assert digitbox(command, "--since", "2026-11-01", "--until", "2026-11-01").code == 0


@given(st.integers(0, 10_000), st.sampled_from("mhdw"))
def test_an_age_counts_back(number: int, unit: str) -> None:
    assert parse_moment(f"{number}{unit}", NOW) + parse_duration(f"{number}{unit}") == NOW


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_every_zone_means_the_same_moment(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_moment(moment.isoformat(), NOW) == moment


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0", Tolerance(0)),
        ("10", Tolerance(10)),
        ("2.5%", Tolerance(Fraction(1, 40))),
        ("100%", Tolerance(Fraction(1))),
    ],
)
def test_tolerances(text: str, wanted: Tolerance) -> None:
    assert tolerance(NOWHERE, NOWHERE, text) == wanted


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "five", "1e3", "5 %", "\u0665", "\u0665%"])
def test_what_is_no_tolerance(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"2\.5%"):
        tolerance(NOWHERE, NOWHERE, text)


def test_what_may_fail() -> None:
    assert Tolerance(0).bears(0, 0) and not Tolerance(0).bears(1, 100)
    assert Tolerance(2).bears(2, 2) and not Tolerance(2).bears(3, 1000)
    for percent in range(101):
        share = Tolerance.parse(f"{percent}%")
        assert share.bears(0, 0) and share.bears(percent, 100) and not share.bears(percent + 1, 100)
    assert Tolerance.parse("0.7%").bears(7, 1000) and not Tolerance.parse("0.7%").bears(8, 1000)
