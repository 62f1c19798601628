"""Tests of how several readings of a line become one number."""

import numpy as np
import pytest

from batch.inference import ctc
from batch.inference.spelling import BLANK, CLASSES, FRAME_PX, SIGN, Reading, spell, spell_clear
from batch.lengths import ANY, MAX_DIGITS, Lengths


def frames_of(*words: str, share: float, frames: int = 12, pace: int = 2) -> ctc.Frames:
    """Return what a network says that gives each word so much in a line, and the rest to all classes."""
    likely = np.full((len(words), frames, CLASSES), (1 - share) / (CLASSES - 1))
    for line, word in zip(likely, words, strict=True):
        path = np.full(frames, BLANK)
        path[1 : 1 + pace * len(word) : pace] = [*map(int, word)]
        line[range(frames), path] = share
    return likely


def reading(*words: str, share: float = 0.95, **options: int) -> Reading:
    return Reading(frames_of(*words, share=share, **options), ANY.most, 0.0, 1.0)


def test_a_number_has_the_mean_of_its_probabilities() -> None:
    readings = [reading("12", "345"), reading("17", "345", share=0.9, pace=3)]
    lines = spell(readings, ANY, 1.0)
    assert [line.number for line in lines] == ["12", "345"]
    for row, word in enumerate([(1, 2), (3, 4, 5)]):
        each = [ctc.probability(some.frames[[row]], [word])[0] for some in readings]
        assert lines[row].share == pytest.approx(np.mean(each))
        assert lines[row].allowed + lines[row].empty + lines[row].sign == pytest.approx(1)


def test_the_surer_reading_decides() -> None:
    sure, doubtful = reading("12", share=0.995), reading("172", share=0.8)
    for readings in ([sure, doubtful], [doubtful, sure]):
        (line,) = spell(readings, ANY, 1.0)
        assert line.number == "12"
        (line,) = spell(readings, Lengths(3, 3), 1.0)
        assert line.number == "172"


def test_readings_that_differ_leave_doubt_where_they_do() -> None:
    (line,) = spell([reading("12"), reading("17")], ANY, 1.0)
    assert line.places.shape == (2, SIGN + 1)
    assert line.places.sum(axis=1) == pytest.approx([1, 1])
    assert line.places[0].max() > 0.9 > 0.6 > line.places[1].max()
    assert set(line.places[1].argsort()[-2:].tolist()) == {2, 7}


def test_places_are_the_shares_of_all_numbers_that_differ_there() -> None:
    readings = [reading("12", share=0.6), reading("12", share=0.7, pace=3)]
    (line,) = spell(readings, ANY, 1.0)
    words = [(1, character) for character in range(SIGN + 1)]
    each = [ctc.probability(some.frames.repeat(len(words), 0), words) for some in readings]
    likely = np.mean(each, axis=0)
    assert line.places[1] == pytest.approx(likely / likely.sum())


def test_middles_are_columns_of_the_strip() -> None:
    stretched = Reading(frames_of("12", share=0.95), ANY.most, -3.0, 0.5)
    (plain,), (wide,) = (spell([some], ANY, 1.0) for some in (reading("12"), stretched))
    assert plain.middles == pytest.approx((1.5 * FRAME_PX, 3.5 * FRAME_PX))
    assert wide.middles == pytest.approx([middle / 2 - 3 for middle in plain.middles])


def test_a_line_without_a_number_of_an_allowed_length_has_none() -> None:
    (line,) = spell([reading("")], Lengths(12, 12), 1.0)
    assert line.number == "" or line.share < 1e-6
    assert line.empty > 0.3


def test_numbers_of_more_digits_than_digitbox_reads_are_named() -> None:
    for share in (0.95, 0.6):
        some = reading("1234567890123", share=share, frames=28)
        (line,) = spell([some], ANY, 1.0)
        masses = ctc.length_masses(some.frames, SIGN, 28)[0]
        assert line.longer == pytest.approx(masses[MAX_DIGITS + 1 :].sum())
        assert line.sign - line.longer == pytest.approx(1 - masses.sum())


def test_a_clear_line_needs_no_second_reading() -> None:
    frames = frames_of("102", "17", "3", share=0.9999)
    clear = spell_clear(frames, Lengths(2, 3))
    assert {line: spelled.number for line, spelled in clear.items()} == {0: "102", 1: "17"}
    for line, spelled in zip(
        spell([Reading(frames, ANY.most, 0.0, 1.0)], ANY, 1.0)[:2], clear.values(), strict=True
    ):
        assert spelled.share == pytest.approx(line.share, abs=1e-6)
        assert spelled.middles == pytest.approx(line.middles)
        assert spelled.places == pytest.approx(line.places)
        assert spelled.allowed + spelled.sign == 1


def test_a_line_in_doubt_or_with_a_sign_is_not_clear() -> None:
    assert not spell_clear(frames_of("12", share=0.98), ANY)
    signed = frames_of("12", share=0.9999)
    signed[0, 9] = np.eye(CLASSES)[SIGN]
    assert not spell_clear(signed, ANY)
    assert not spell_clear(frames_of("", share=1.0), ANY)
