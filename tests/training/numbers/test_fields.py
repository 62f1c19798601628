"""Fields of numbers from made-up sources: labels, places, and the records that a network sees."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from batch.preprocessing.number_line import STRIP, WIDTHS_PX, strip_of
from batch.training.look.drawn_digits import line
from batch.training.look.hands import digit_glyph, stroke_glyph
from batch.training.look.sources import Sources
from batch.training.look.studio import Studio
from batch.training.numbers.fields import MAX_WIDTH_PX, Renderer
from batch.training.numbers.layout import Piece
from batch.training.numbers.mixture import FIELDS, FRAME_PX, SIGN, STOPS, Field
from batch.training.numbers.no_numbers import strike
from batch.training.numbers.records import NO_FRAME, NO_LABEL, Pool, RecordMaker, Records
from batch.training.numbers.signs import Sign, draw_sign
from look_sources import packed

COUNT = 150


@cache
def fields(seed: int, held_out: bool = False) -> list[Field]:
    renderer = Renderer(Sources(packed(), held_out), seed)
    return [renderer.field() for _ in range(COUNT)]


@pytest.mark.parametrize("kind", FIELDS)
def test_fields_of_every_kind_have_labels(kind: str) -> None:
    renderer = Renderer(Sources(packed()), 1, kinds={kind: 1.0})
    for field in [renderer.field() for _ in range(20)]:
        assert field.kind == kind
        assert max(field.grey.shape) <= 2 * MAX_WIDTH_PX
        if kind == "number":
            assert 1 <= len(field.label) <= 7
            assert max(field.label) < SIGN
        elif kind == "single":
            assert len(field.label) == 1
        elif kind == "none":
            assert set(field.label) <= {SIGN}
        elif kind == "empty":
            assert field.label == ()
        else:
            assert SIGN in field.label


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_after_the_last_digit_changes_nothing(stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def draw(kind: str, random: Random) -> Sign:
        drawn.append(kind)
        return draw_sign(kind, random)

    monkeypatch.setattr("batch.training.numbers.fields.STOP_FRACTION", 1.0)
    monkeypatch.setattr("batch.training.numbers.fields.STOPS", (stop,))
    monkeypatch.setattr("batch.training.numbers.fields.draw_sign", draw)
    renderer = Renderer(Sources(packed()), 1, kinds={"number": 1.0}, gaps={"apart": 1.0})
    numbers = [renderer.field() for _ in range(20)]
    assert len(drawn) >= 20
    assert set(drawn) == {stop}
    assert all(max(number.label) < SIGN for number in numbers)
    assert all(len(number.places) == len(number.label) for number in numbers)


def test_a_stop_before_a_digit_is_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.numbers.fields.SIGNS_DRAWN", dict.fromkeys(STOPS, 0.5))
    renderer = Renderer(Sources(packed()), 1, kinds={"signed": 1.0})
    labels = [renderer.field().label for _ in range(40)]
    assert all(SIGN in label and label[-1] != SIGN for label in labels)


def test_struck_digits_are_one_sign() -> None:
    renderer = Renderer(Sources(packed()), 2, kinds={"struck": 1.0})
    labels = [renderer.field().label for _ in range(40)]
    assert {label.count(SIGN) for label in labels} == {1}
    assert {1, 3} <= {len(label) for label in labels}
    assert {0, 2} <= {label.index(SIGN) for label in labels}


def test_some_struck_digits_are_blacked_out() -> None:
    studio, black = Studio(Sources(packed()), 3), 0
    for _ in range(60):
        digits = [Piece(digit_glyph(studio, 8, "drawn"), 1.0, 8) for _ in range(3)]
        pieces, _ = strike(studio, digits)
        (across,) = (piece for piece in pieces if piece.label == SIGN)
        black += across.glyph.points is not None and len(across.glyph.points) > 9
    assert 10 < black < 35


def test_a_thin_one_that_is_blacked_out_is_no_one() -> None:
    studio = Studio(Sources(packed()), 3)
    for _ in range(2000):
        one = Piece(stroke_glyph(studio, [line((0, 0), (0, 1))], 0.0), 1.0, 1)
        pieces, label = strike(studio, [one])
        assert label == (SIGN,)
        splits = pieces[-1].glyph.splits
        assert splits[-1] >= 4  # points: at least two lines, or one that goes to and fro


def test_places_run_from_left_to_right_inside_the_field() -> None:
    for field in fields(1):
        if field.places:
            assert len(field.places) == len(field.label)
            # A slash may lean over the digit before it.
            assert (np.diff(field.places) > -2).all() or field.kind == "fraction"
            assert -0.1 * field.grey.shape[1] < field.places[0]
            assert field.places[-1] < 1.1 * field.grey.shape[1]


def test_a_place_is_where_the_ink_is() -> None:
    """Ink of a digit lies in its frame: the columns there are darker than the paper on most fields."""
    inked = []
    for field in fields(1):
        strip = strip_of(field.grey)
        for place in field.places:
            frame = int((place - strip.left) / strip.columns / FRAME_PX)
            columns = strip.picture[:, max(0, frame - 1) * FRAME_PX : (frame + 2) * FRAME_PX]
            inked.append(columns.size > 0 and int(columns.max()) > 150)
    assert np.mean(inked) > 0.95


@pytest.mark.parametrize("held_out", [False, True])
def test_only_hands_of_the_training_are_blended(held_out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    blended = []
    monkeypatch.setattr("batch.training.numbers.fields.blend", lambda *hands: blended.append(hands))
    renderer = Renderer(Sources(packed(), held_out), 1, kinds={"number": 1.0}, hands={"unipen": 1.0})
    for _ in range(30):
        renderer.field()
    assert bool(blended) is not held_out


@pytest.mark.parametrize(("held_out", "strokes"), [(False, {1}), (True, {2})])
def test_only_in_training_a_one_is_a_plain_stroke(
    held_out: bool, strokes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 1s of these sources have two strokes."""
    monkeypatch.setattr("batch.training.numbers.fields.LONG_ONES_FRACTION", 1.0)
    renderer = Renderer(Sources(packed(), held_out), 1, hands={"unipen": 1.0})
    ones = [renderer._digits()(1) for _ in range(30)]
    assert {len(one.glyph.splits) - 1 for one in ones} == strokes
    assert held_out or max(one.tall for one in ones) > 1.15


def test_the_same_seed_gives_the_same_fields() -> None:
    again = Renderer(Sources(packed()), 1)
    assert all(np.array_equal(again.field().grey, field.grey) for field in fields(1)[:20])
    assert not np.array_equal(fields(1)[0].grey, fields(1, held_out=True)[0].grey)


DIGEST = """
import hashlib, sys
sys.path[:0] = {path!r}
from test_fields import fields
print(hashlib.sha256(b"".join(field.grey.tobytes() for field in fields(1)[:60])).hexdigest())
"""


@pytest.mark.slow
def test_another_process_renders_the_same_fields() -> None:
    """The order of a set of words differs between processes; nothing may depend on it."""
    program = DIGEST.format(path=[str(Path(__file__).parent), *sys.path])
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_records_hold_strips_labels_and_frames_by_width() -> None:
    records, kinds = RecordMaker(Renderer(Sources(packed()), 1)).make(COUNT)
    assert set(records) <= set(WIDTHS_PX)
    assert sum(len(some.labels) for some in records.values()) == COUNT
    for width, some in records.items():
        assert some.pictures.shape == (len(kinds[width]), STRIP.height_px, width)
        assert some.frames.max() < width // FRAME_PX
        written = (some.labels != NO_LABEL).sum(axis=1)
        placed = (some.frames != NO_FRAME).sum(axis=1)
        assert all(count in (0, length) for count, length in zip(placed, written, strict=True))


def test_the_pool_draws_batches_of_one_width_and_the_latest() -> None:
    pool = Pool(capacity=10)
    for label in range(4):
        for width in WIDTHS_PX[:2]:
            pictures = np.zeros((5, STRIP.height_px, width), np.uint8)
            pool.add(
                {width: Records(pictures, np.full((5, 12), label, np.uint8), np.zeros((5, 12), np.int16))}
            )
    rng = np.random.default_rng(0)
    batches = [pool.draw(10 * WIDTHS_PX[1], rng) for _ in range(50)]
    assert {batch.pictures.shape[2] for batch in batches} == set(WIDTHS_PX[:2])
    assert {len(batch.labels) for batch in batches} == {10, 10 * WIDTHS_PX[1] // WIDTHS_PX[0]}
    assert {int(label) for batch in batches for label in batch.labels[:, 0]} == {2, 3}
