"""Tests of what the looks settle, and by which rules."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.inference import decision
from batch.inference.look import NONE, SEVERAL
from batch.inference.reader import read_scans
from batch.records import ScanRef
from fake_looks import RULES, UNSURE, Saying, Shares, model_with, outcome


def test_a_sure_look_answers_alone(tmp_path: Path) -> None:
    seven = outcome(tmp_path, {7: 0.99, NONE: 0.004, SEVERAL: 0.003})
    assert (seven.status, seven.reason, seven.label) == ("ok", None, 7)
    assert seven.confidence == pytest.approx(0.99, abs=1e-5)
    assert seven.not_a_digit == pytest.approx(0.007, abs=1e-5)
    assert sum(seven.probabilities) == pytest.approx(1)
    assert seven.probabilities[7] > 0.99
    closer = outcome(tmp_path, UNSURE, {4: 0.96})
    assert (closer.status, closer.label) == ("ok", 4)
    assert closer.confidence == pytest.approx(0.96, abs=1e-5)


@pytest.mark.parametrize(("look", "close"), [({SEVERAL: 0.95}, {}), (UNSURE, {SEVERAL: 0.95})])
def test_a_refused_row_says_what_the_looks_saw(look: Shares, close: Shares, tmp_path: Path) -> None:
    several = outcome(tmp_path, look, close)
    assert (several.status, several.reason, several.label) == ("refused", "several_digits", None)
    assert several.confidence is None and several.sha256
    assert sum(several.probabilities) == pytest.approx(1)


def test_a_sure_second_look_is_the_last() -> None:
    scan = np.full((80, 80), 200, np.uint8)
    scan[35:45, 38:42] = 20
    looks = model_with(UNSURE, {4: 0.99}).looks
    assert looks is not None
    sights = looks.see([scan, np.full((9, 9), 90, np.uint8)])
    assert [(sight.place, len(sight.glances)) for sight in sights] == [(None, 2), (None, 0)]
    assert sights[0].decision.status == "ok" and sights[0].glances[-1].label == 4


def test_what_is_rare_in_practice_is_less_likely(tmp_path: Path) -> None:
    rules = dataclasses.replace(RULES, several_prior=0.5, none_prior=0.2)
    logits = np.log(np.array([[0.07] * 10 + [0.2, 0.1]]))
    (likely,) = decision.probabilities(rules.weigh([2 * logits]), "softmax", 1.0)
    np.testing.assert_allclose(likely, np.array([0.07] * 10 + [0.1, 0.02]) / 0.82)
    assert outcome(tmp_path, {7: 0.97, SEVERAL: 0.02}, {7: 0.9}).status == "review"
    path = str(tmp_path / "a.png")
    model = model_with({7: 0.97, SEVERAL: 0.02}, {7: 0.9}, rules)
    assert read_scans([ScanRef(path, "a.png")], model, MAX_PIXELS)[0].status == "ok"


@pytest.mark.parametrize(
    ("close", "status", "label"),
    [
        ({0: 0.96}, "ok", 0),
        ({7: 0.94}, "review", 7),
        ({0: 0.3, 7: 0.31}, "review", 7),
        ({0: 0.45, SEVERAL: 0.45}, "review", 0),
        ({SEVERAL: 0.82, NONE: 0.02}, "refused", None),
        ({NONE: 0.97}, "refused", None),
        ({NONE: 0.7}, "review", 0),
    ],
)
def test_looking_closer_answers_or_refuses(
    close: Shares, status: str, label: int | None, tmp_path: Path
) -> None:
    read = outcome(tmp_path, UNSURE, close)
    assert (read.status, read.label) == (status, label)
    reasons = {"ok": None, "review": "low_confidence"}
    assert read.reason == reasons.get(status, "several_digits" if SEVERAL in close else "not_a_digit")
    if status == "review":
        assert (read.confidence or 0) < RULES.above[-1]


@pytest.mark.parametrize(
    ("look", "close"), [({7: 0.985}, {}), (UNSURE, {7: 0.96}), (UNSURE, {7: 0.4}), (UNSURE, {7: 0.2})]
)
def test_the_users_threshold_holds_for_every_answer(look: Shares, close: Shares, tmp_path: Path) -> None:
    reads = [outcome(tmp_path, look, close, review_below=below) for below in (0.0, 1.0)]
    assert [(read.status, read.reason) for read in reads] == [("ok", None), ("review", "low_confidence")]
    assert reads[0].confidence == reads[1].confidence


@pytest.mark.parametrize("level", [0, 20, 128, 255])
@pytest.mark.parametrize("shape", [(4, 4), (60, 60), (30, 900)])
def test_paper_without_ink_is_blank_whatever_the_looks_say(
    level: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    paper = np.full(shape, level, np.uint8)
    paper[::3, ::2] += 3 if level < 200 else 0
    blank = outcome(tmp_path, {7: 0.99}, scan=paper)
    assert (blank.status, blank.reason, blank.probabilities) == ("refused", "blank", ())


def test_grain_that_is_no_digit_is_blank(tmp_path: Path) -> None:
    grain = np.random.default_rng(4).normal(190, 7, (90, 80)).astype(np.uint8)
    assert outcome(tmp_path, UNSURE, {NONE: 0.97}, scan=grain).reason == "blank"
    assert outcome(tmp_path, UNSURE, {NONE: 0.97}).reason == "not_a_digit"
    assert outcome(tmp_path, UNSURE, {7: 0.97}, scan=grain).status == "ok"


@pytest.mark.parametrize(("look", "label", "closer"), [({7: 0.99}, 7, 0), (UNSURE, 4, 1)])
def test_an_unsure_glance_at_a_digit_gets_a_second_one(look: Shares, label: int, closer: int) -> None:
    looks = model_with(look, {4: 0.9}).looks
    assert looks is not None
    picture = np.full((64, 64), 48, np.uint8)
    assert [glance.label for glance in looks.glance_twice([picture] * 3)] == [label] * 3
    close = looks.networks.close
    assert isinstance(close, Saying) and len(close.pictures) == closer
    assert looks.glance_twice([]) == []
