"""Tests of the lengths that a user allows for numbers."""

import pytest

from batch.lengths import ANY, ONE, Lengths, parse_lengths


@pytest.mark.parametrize(
    ("text", "lengths"),
    [("1", ONE), (" 5 ", Lengths(5, 5)), ("2-6", Lengths(2, 6)), ("ANY", ANY), ("1-12", ANY)],
)
def test_lengths_are_a_number_a_range_or_any(text: str, lengths: Lengths) -> None:
    assert parse_lengths(text) == lengths
    assert parse_lengths(str(lengths)) == lengths


@pytest.mark.parametrize("text", ["", "0", "13", "6-2", "2-", "-2", "1-99", "4x", "2..6", "٣", "many", "1e1"])
def test_other_lengths_are_errors_that_say_what_to_give(text: str) -> None:
    with pytest.raises(ValueError, match=r"give one as 5, a range as 2-6 \(at most 12\), or any"):
        parse_lengths(text)
