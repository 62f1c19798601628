"""Tests of the weights and thresholds of the looks; the scenes are made-up logits."""

import numpy as np
import numpy.typing as npt
import pytest

from batch.inference import decision, model_store
from batch.inference.look import LookRules
from batch.training.look import sources, weigh
from batch.training.look.sources import Packed
from batch.training.look.weigh import (
    NONE_PRIOR,
    RISKS,
    SEVERAL_ABOVE,
    SEVERAL_PRIOR,
    Array,
    Seen,
    fit,
    fit_weights,
)
from command import ROOT
from look_sources import packed as made_up


def noisy_logits(
    rng: np.random.Generator, labels: npt.NDArray[np.int64], top: float
) -> npt.NDArray[np.float32]:
    """Return logits of which most say the label, some are unsure, and few are wrong."""
    logits = rng.normal(0, 1, (len(labels), 12))
    logits[np.arange(len(labels)), labels] += rng.uniform(0, top, len(labels))
    return logits.astype(np.float32)


@pytest.fixture
def seen() -> Seen:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 12, 6000)
    return Seen(labels, [noisy_logits(rng, labels, top) for top in (9, 12, 12)])


def weights_for(parts: list[Array], labels: npt.NDArray[np.int64]) -> Array:
    return fit_weights(parts, labels, np.zeros(12), np.ones(len(labels)))


def test_weights_are_those_that_made_the_labels() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.normal(0, 3, (8000, 12)) for _ in range(2)]
    likely = decision.probabilities(0.7 * parts[0] + 0.2 * parts[1], "softmax", 1.0)
    labels = (likely.cumsum(axis=1) < rng.random((8000, 1))).sum(axis=1)
    np.testing.assert_allclose(weights_for(parts, labels), [0.7, 0.2], atol=0.03)


def test_weights_know_what_is_rare_in_practice() -> None:
    rng = np.random.default_rng(1)
    part = rng.normal(0, 3, (8000, 12))
    prior = np.log(np.array([1.0] * 10 + [0.5, 0.2]))
    likely = decision.probabilities(0.7 * part, "softmax", 1.0)
    labels = (likely.cumsum(axis=1) < rng.random((8000, 1))).sum(axis=1)
    assert fit_weights([part], labels, prior, np.exp(prior)[labels])[0] == pytest.approx(0.7, abs=0.03)


def test_weights_stay_in_their_range() -> None:
    labels = np.arange(12).repeat(3)
    perfect = 5.0 * np.eye(12)[labels]
    assert 1 < weights_for([perfect], labels)[0] <= weigh.MAX_WEIGHT
    assert weights_for([1e-3 * perfect], labels).tolist() == [weigh.MAX_WEIGHT]
    assert weights_for([-perfect], labels).tolist() == [0.0]
    assert np.isfinite(weights_for([np.ones((36, 12))], labels)).all()
    assert weights_for([perfect[:0]], labels[:0]).tolist() == [0.0]


def test_thresholds_keep_all_risks(seen: Seen) -> None:
    rules, figures = fit(seen)
    counts = np.array([1.0] * 10 + [SEVERAL_PRIOR, NONE_PRIOR])[seen.labels]
    unsure, ok, wrong = np.ones(6000, bool), np.zeros(6000, bool), np.zeros(6000, bool)
    for looks, (above, risk) in enumerate(zip(rules.above, RISKS, strict=True), start=1):
        likely = decision.probabilities(rules.weigh(seen.logits[:looks]), "softmax", 1.0)
        sure = unsure & (likely[:, :10].max(axis=1) >= above)
        ok |= sure
        wrong[sure] = likely[sure, :10].argmax(axis=1) != seen.labels[sure]
        if looks < len(RISKS):
            assert counts[sure & wrong].sum() <= risk * counts[sure].sum()
            assert figures["answered"][looks - 1] == sure.sum() > 0
        unsure &= ~sure & (likely[:, 10] < SEVERAL_ABOVE)
    assert 0 < counts[ok & wrong].sum() <= RISKS[-1] * counts[ok].sum()
    is_digit = seen.labels < 10
    assert (figures["ok"], figures["wrong"]) == ((ok & is_digit).sum(), (ok & is_digit & wrong).sum())
    assert figures["several"] == [(ok & (seen.labels == 10)).sum(), (seen.labels == 10).sum()]
    assert figures["none"] == [(ok & (seen.labels == 11)).sum(), (seen.labels == 11).sum()]
    assert [len(weights) for weights in rules.weights] == [1, 2, 3]
    assert rules.weights[2][1] == pytest.approx(rules.weights[2][2], rel=0.2)
    assert 0.5 <= rules.none_above <= 1


def test_what_is_rarer_in_practice_counts_for_less(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rare = fit(seen)
    monkeypatch.setattr(weigh, "SEVERAL_PRIOR", 10.0)
    monkeypatch.setattr(weigh, "NONE_PRIOR", 10.0)
    _, usual = fit(seen)
    assert rare["ok"] > usual["ok"]


def test_figures_say_what_was_fitted(seen: Seen) -> None:
    _, figures = fit(seen)
    text = weigh.say(figures)
    assert "6,000 held-out scenes" in text
    assert f"{figures['ok']:,} are ok, {figures['wrong']} of these wrong" in text


def test_figures_of_other_rules_do_not_stay() -> None:
    manifest = model_store.load_manifest(ROOT / "models" / "cnn")
    assert manifest.metrics and manifest.numbers_metrics
    weighed = weigh.with_rules(manifest, LookRules.of(manifest), "fitted anew")
    assert (weighed.metrics, weighed.numbers_metrics) == ({}, {})


def test_unclear_digits_are_in_no_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: Packed = {
        "digits_points": np.array([[0, 0], [500, 1000]] * 4, np.int16),
        "digits_strokes": np.arange(0, 9, 2, dtype=np.int32),
        "digits_starts": np.arange(5, dtype=np.int32),
        "digits_chars": np.array(list("1111")),
        "digits_writers": np.array([1, 1, 2, 2]),
        "digits_held": np.array([True, True, True, False]),
    }
    assert sources.Strokes(packed, "digits", held_out=True).groups["1"][0] == [0, 1, 2]
    monkeypatch.setattr(sources, "UNCLEAR", frozenset({1}))
    assert sources.Strokes(packed, "digits", held_out=True).groups["1"][0] == [0, 2]


@pytest.mark.parametrize("held_out", [False, True])
def test_unclear_pictures_are_in_no_scene(held_out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = made_up()
    row = int(np.flatnonzero(packed["mnist_held"] == held_out)[0])
    label = int(packed["mnist_labels"][row])
    count = len(sources.Sources(packed, held_out).raw["mnist"][label])
    monkeypatch.setitem(sources.UNCLEAR_PICTURES, "mnist", frozenset({row}))
    assert len(sources.Sources(packed, held_out).raw["mnist"][label]) == count - 1
