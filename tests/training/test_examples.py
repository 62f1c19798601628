import numpy as np
import pytest

from batch.records import Grey, PreprocessSpec
from batch.training import examples
from batch.training.data.datasets import NOT_A_DIGIT, Labelled
from batch.training.examples import Material
from batch.training.rendering import strokes
from batch.training.rendering.appearance import Appearance, random_appearance
from batch.training.rendering.conditions import CONDITIONS
from batch.training.rendering.render import render

SPEC = PreprocessSpec(views=("boxed", "context"))
DRAWINGS = np.stack([strokes.draw(label, np.random.default_rng(label)) for label in range(10)])
DIGITS = Material(Labelled(DRAWINGS, np.arange(10, dtype=np.int32)))


def test_images_that_are_no_digits_become_examples() -> None:
    white = Material(DIGITS.digits, [np.full((3, 28, 28), 255, np.uint8)])
    letters = Material(DIGITS.digits, [DRAWINGS])
    for material in (white, letters):
        scans = [
            examples._scan(examples.NONE, material, np.random.default_rng(seed), random_appearance)
            for seed in range(100)
        ]
        assert {label for _, label in scans} == {NOT_A_DIGIT}
        unchanged = sum(any(np.array_equal(scan, image) for image in material.others[0]) for scan, _ in scans)
        assert unchanged > 5


def test_examples_have_the_form_of_the_models_input() -> None:
    mixture = examples.rendered(DIGITS, SPEC, 200, seed=1)
    assert mixture.digits.shape == (200, 28, 28, 5)
    assert mixture.digits.dtype == np.uint8
    assert set(mixture.labels[mixture.kinds == examples.NONE]) == {NOT_A_DIGIT}
    assert set(mixture.labels[mixture.kinds != examples.NONE]) <= set(range(10))
    assert set(mixture.kinds) == {
        examples.AS_IS,
        examples.VARIED,
        examples.RENDERED,
        examples.DRAWN,
        examples.NONE,
    }


def test_practice_is_paper_under_named_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    appearances: list[Appearance] = []

    def record(digit: Grey, appearance: Appearance, rng: np.random.Generator) -> Grey:
        appearances.append(appearance)
        return render(digit, appearance, rng)

    monkeypatch.setattr(examples, "render", record)
    mixture = examples.in_practice(DIGITS, SPEC, 200, seed=1)
    assert len(mixture.labels) == 200
    assert set(mixture.kinds) == {examples.RENDERED, examples.DRAWN, examples.NONE}
    conditions = list(CONDITIONS.values())
    assert all(appearance in conditions for appearance in appearances)
    assert sum(condition in appearances for condition in conditions) > 0.9 * len(conditions)


def test_plain_digits_keep_their_order() -> None:
    assert examples.plain(DIGITS, SPEC).labels.tolist() == list(range(10))


def test_epochs_do_not_depend_on_the_number_of_workers() -> None:
    of_one, of_two = (
        list(examples.epochs(DIGITS, SPEC, epochs=2, count=40, seed=5, workers=workers)) for workers in (1, 2)
    )
    for first, second in zip(of_one, of_two, strict=True):
        assert len(first.labels) == 40
        assert np.array_equal(first.digits, second.digits)
    assert not np.array_equal(of_one[0].digits, of_one[1].digits)


def test_a_quarter_of_the_examples_are_own_scans() -> None:
    own = [(np.full((40, 40), 220, np.uint8), 3), (255 - DRAWINGS[4], 4), (255 - DRAWINGS[5], 10)]
    mixture = examples.rendered(Material(DIGITS.digits, own=own), SPEC, 400, seed=1)
    labels = mixture.labels[mixture.kinds == examples.OWN]
    assert 0.15 < len(labels) / 400 < 0.3
    assert set(labels) == {4, 10}  # nothing is learnt from a blank
    assert examples.plain(Material(DIGITS.digits, own=own), SPEC).labels.tolist() == [*range(10), 4, 10]
